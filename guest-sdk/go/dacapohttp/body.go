package dacapohttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"dacapo"
	wasi "dacapo/internal/wit/imports/wasi_http_types"
	"dacapo/internal/wit/imports/wasi_io_poll"
	"dacapo/internal/wit/imports/wasi_io_streams"
	memory "dacapo/internal/wit/runtime"
	"dacapo/internal/wit/types"
)

// pieceBytes is how much of a body is passed on at once.
const pieceBytes = 64 << 10

// How long to sleep until something is looked at again.
const (
	shortestPause = 100 * time.Microsecond
	longestPause  = 10 * time.Millisecond
)

// await waits until it is ready or the context has ended. It does not block, so that other goroutines,
// and the timer that ends the context, go on.
func await(ctx context.Context, source *wasi_io_poll.Pollable) error {
	defer source.Drop()
	for pause := shortestPause; !source.Ready(); pause = min(2*pause, longestPause) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
	return nil
}

// send sends the body. A service may answer without reading all of it; then its answer counts, and a
// connection that broke shows when the answer is read.
func send(request *http.Request, to *wasi.OutgoingBody) error {
	if request.Body == nil || request.Body == http.NoBody {
		wasi.OutgoingBodyFinish(to, types.None[*wasi.Fields]())
		return nil
	}
	opened := to.Write()
	if opened.IsErr() {
		to.Drop()
		return refused(request, "it has a body already")
	}
	isRead, err := write(request, opened.Ok())
	opened.Ok().Drop()
	if err != nil || !isRead {
		to.Drop()
		return err
	}
	wasi.OutgoingBodyFinish(to, types.None[*wasi.Fields]())
	return nil
}

// write says whether the other side has read it all.
func write(request *http.Request, to *wasi_io_streams.OutputStream) (bool, error) {
	ctx := request.Context()
	piece := make([]byte, pieceBytes)
	for {
		count, err := request.Body.Read(piece)
		if isRead, failed := writePiece(ctx, to, piece[:count]); failed != nil || !isRead {
			return isRead, failed
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, err
		}
	}
	if to.Flush().IsErr() {
		return false, nil
	}
	return true, await(ctx, to.Subscribe())
}

func writePiece(ctx context.Context, to *wasi_io_streams.OutputStream, piece []byte) (bool, error) {
	for len(piece) > 0 {
		room := to.CheckWrite()
		if room.IsErr() {
			return false, nil
		}
		if room.Ok() == 0 {
			if err := await(ctx, to.Subscribe()); err != nil {
				return false, err
			}
			continue
		}
		now := piece[:min(uint64(len(piece)), room.Ok())]
		if to.Write(now).IsErr() {
			return false, nil
		}
		piece = piece[len(now):]
	}
	return true, nil
}

// body is that of an answer.
type body struct {
	ctx      context.Context
	response *wasi.IncomingResponse
	content  *wasi.IncomingBody
	stream   *wasi_io_streams.InputStream
	// Why nothing more is read.
	end error
}

// unclosed keeps what nobody has closed: a collection of garbage would drop it in any order, and the
// host stops an instance that drops a thing before its parts.
var unclosed = map[*body]struct{}{}

func bodyOf(ctx context.Context, response *wasi.IncomingResponse) (*body, error) {
	content := response.Consume()
	if content.IsErr() {
		response.Drop()
		return nil, errors.New("the answer has no body")
	}
	stream := content.Ok().Stream()
	if stream.IsErr() {
		content.Ok().Drop()
		response.Drop()
		return nil, errors.New("the answer has no body")
	}
	made := &body{ctx: ctx, response: response, content: content.Ok(), stream: stream.Ok()}
	unclosed[made] = struct{}{}
	return made, nil
}

func (b *body) Read(to []byte) (int, error) {
	for b.end == nil && len(to) > 0 {
		read := b.stream.Read(uint64(min(len(to), pieceBytes)))
		if read.IsErr() {
			b.finish(endOf(read.Err()))
			break
		}
		count := copy(to, read.Ok())
		memory.Reset()
		if count > 0 {
			return count, nil
		}
		if err := await(b.ctx, b.stream.Subscribe()); err != nil {
			b.finish(err)
		}
	}
	return 0, b.end
}

func (b *body) Close() error {
	b.finish(errors.New("the body of the answer is closed"))
	return nil
}

// finish drops the parts before the whole.
func (b *body) finish(end error) {
	if b.end != nil {
		return
	}
	b.end = end
	b.stream.Drop()
	b.content.Drop()
	b.response.Drop()
	delete(unclosed, b)
}

func endOf(failed wasi_io_streams.StreamError) error {
	if failed.Tag() == wasi_io_streams.StreamError_Closed {
		return io.EOF
	}
	reason := failed.LastOperationFailed()
	defer reason.Drop()
	defer memory.Reset()
	message := "the answer broke off: " + strings.Clone(reason.ToDebugString())
	return &dacapo.Failure{Type: "HttpError", Message: message}
}
