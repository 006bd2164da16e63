package dacapohttp

import (
	"fmt"
	"net/http"
	"strings"

	"dacapo"
	wasi "dacapo/internal/wit/imports/wasi_http_types"
)

// refused is the failure of a request that can't be sent as it is.
func refused(request *http.Request, why string) error {
	return failure(request, "can't be asked: "+why, true)
}

// failureOf says why there is no answer.
func failureOf(code wasi.ErrorCode, request *http.Request) error {
	switch code.Tag() {
	case wasi.ErrorCode_HttpRequestDenied:
		return refused(request, "activities of this server may not reach "+request.URL.Host+"; it would have to be started with --allow-host")
	case wasi.ErrorCode_HttpRequestMethodInvalid, wasi.ErrorCode_HttpRequestUriInvalid, wasi.ErrorCode_HttpRequestUriTooLong:
		return refused(request, "its method or URL is not valid")
	case wasi.ErrorCode_DnsTimeout, wasi.ErrorCode_ConnectionTimeout, wasi.ErrorCode_ConnectionReadTimeout,
		wasi.ErrorCode_ConnectionWriteTimeout, wasi.ErrorCode_HttpResponseTimeout:
		return failure(request, "did not answer in time", false)
	case wasi.ErrorCode_DnsError, wasi.ErrorCode_DestinationNotFound, wasi.ErrorCode_DestinationUnavailable:
		return failure(request, "was not found", false)
	case wasi.ErrorCode_ConnectionRefused:
		return failure(request, "refused the connection", false)
	case wasi.ErrorCode_InternalError:
		if reason := code.InternalError(); reason.IsSome() {
			return failure(request, "did not answer: "+strings.Clone(reason.Some()), false)
		}
	}
	return failure(request, fmt.Sprintf("did not answer (error %d of wasi:http)", code.Tag()), false)
}

func failure(request *http.Request, what string, isPermanent bool) error {
	return &dacapo.Failure{Type: "HttpError", Message: request.URL.Redacted() + " " + what, NonRetryable: isPermanent}
}
