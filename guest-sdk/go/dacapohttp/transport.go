// Package dacapohttp lets activities use net/http, which finds no sockets in a component:
//
//	client := http.Client{Transport: dacapohttp.Transport, Timeout: 30 * time.Second}
//
// The server decides which hosts they may reach (--allow-host), and answers that no workflow may make
// requests. Other goroutines go on while a request waits.
package dacapohttp

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"dacapo/internal/wit/imports/wasi_http_outgoing_handler"
	wasi "dacapo/internal/wit/imports/wasi_http_types"
	memory "dacapo/internal/wit/runtime"
	"dacapo/internal/wit/types"
)

// Transport sends requests as the server lets activities do. What it fails with is a dacapo.Failure of
// the type HttpError, or the error of the request's context.
var Transport http.RoundTripper = transport{}

type transport struct{}

// RoundTrip sends a request, and returns its answer once its head is there.
func (transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		defer request.Body.Close()
	}
	outgoing, err := outgoingRequest(request)
	if err != nil {
		return nil, err
	}
	content := outgoing.Body()
	if content.IsErr() {
		outgoing.Drop()
		return nil, refused(request, "it has a body already")
	}
	begun := wasi_http_outgoing_handler.Handle(outgoing, types.None[*wasi.RequestOptions]())
	if begun.IsErr() {
		defer memory.Reset()
		content.Ok().Drop()
		return nil, failureOf(begun.Err(), request)
	}
	pending := begun.Ok()
	defer pending.Drop()
	if err := send(request, content.Ok()); err != nil {
		return nil, err
	}
	if err := await(request.Context(), pending.Subscribe()); err != nil {
		return nil, err
	}
	defer memory.Reset()
	answered := pending.Get().Some().Ok()
	if answered.IsErr() {
		return nil, failureOf(answered.Err(), request)
	}
	return received(request, answered.Ok())
}

func outgoingRequest(request *http.Request) (*wasi.OutgoingRequest, error) {
	fields := wasi.FieldsFromList(headersOf(request))
	if fields.IsErr() {
		return nil, refused(request, "it has a header that is not allowed")
	}
	outgoing := wasi.MakeOutgoingRequest(fields.Ok())
	authority := request.Host
	if authority == "" {
		authority = request.URL.Host
	}
	scheme := wasi.MakeSchemeOther(request.URL.Scheme)
	switch request.URL.Scheme {
	case "http":
		scheme = wasi.MakeSchemeHttp()
	case "https":
		scheme = wasi.MakeSchemeHttps()
	}
	for _, each := range []struct {
		result types.Result[types.Unit, types.Unit]
		what   string
	}{
		{outgoing.SetMethod(methodOf(request.Method)), "the method " + request.Method},
		{outgoing.SetScheme(types.Some(scheme)), "the scheme of the URL"},
		{outgoing.SetAuthority(types.Some(authority)), "the host of the URL"},
		{outgoing.SetPathWithQuery(types.Some(request.URL.RequestURI())), "the path of the URL"},
	} {
		if each.result.IsErr() {
			outgoing.Drop()
			return nil, refused(request, each.what+" is not allowed")
		}
	}
	return outgoing, nil
}

func headersOf(request *http.Request) []types.Tuple2[string, []uint8] {
	var headers []types.Tuple2[string, []uint8]
	add := func(name, value string) {
		headers = append(headers, types.Tuple2[string, []uint8]{F0: strings.ToLower(name), F1: []uint8(value)})
	}
	for name, values := range request.Header {
		for _, value := range values {
			add(name, value)
		}
	}
	// A body of a length that nobody knows has none, and a length of 0.
	isEmpty := request.Body == nil || request.Body == http.NoBody
	if request.ContentLength > 0 || isEmpty && hasLength(request.Method) {
		add("content-length", strconv.FormatInt(request.ContentLength, 10))
	}
	return headers
}

// hasLength says whether servers want to be told that there is no body.
func hasLength(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

func methodOf(name string) wasi.Method {
	switch name {
	case "", http.MethodGet:
		return wasi.MakeMethodGet()
	case http.MethodHead:
		return wasi.MakeMethodHead()
	case http.MethodPost:
		return wasi.MakeMethodPost()
	case http.MethodPut:
		return wasi.MakeMethodPut()
	case http.MethodDelete:
		return wasi.MakeMethodDelete()
	case http.MethodOptions:
		return wasi.MakeMethodOptions()
	case http.MethodPatch:
		return wasi.MakeMethodPatch()
	}
	return wasi.MakeMethodOther(name)
}

// received is an answer whose body is read as it comes.
func received(request *http.Request, from *wasi.IncomingResponse) (*http.Response, error) {
	headers := from.Headers()
	defer headers.Drop()
	header := http.Header{}
	for _, entry := range headers.Entries() {
		header.Add(strings.Clone(entry.F0), string(entry.F1))
	}
	body, err := bodyOf(request.Context(), from)
	if err != nil {
		return nil, err
	}
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil {
		length = -1
	}
	status := int(from.Status())
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", status, http.StatusText(status)),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Body:          body,
		ContentLength: length,
		Request:       request,
	}, nil
}
