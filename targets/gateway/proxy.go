// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"headroom/targets/program"
)

const (
	connectTimeout = 2 * time.Second
	answerTimeout  = 15 * time.Second // until an upstream's header comes
	idleTimeout    = time.Minute
	maxIdle        = 256 // kept connections to each upstream
	maxOpen        = 2048
	copyBytes      = 32 << 10
	// statusClientGone is what nginx logs when the client left before the answer.
	statusClientGone = 499
)

// proxy passes requests on, to each upstream in turn. It does not take an upstream
// that is away out of the round: the balancer behind it does that.
type proxy struct {
	*httputil.ReverseProxy
	upstreams []string
	transport *http.Transport
	next      atomic.Uint64
	errors    atomic.Int64 // requests that no upstream answered
}

func newProxy(upstreams []string, log *slog.Logger) *proxy {
	p := &proxy{upstreams: upstreams, transport: &http.Transport{
		DialContext:           (&net.Dialer{Timeout: connectTimeout}).DialContext,
		ResponseHeaderTimeout: answerTimeout, IdleConnTimeout: idleTimeout,
		MaxIdleConnsPerHost: maxIdle, MaxConnsPerHost: maxOpen,
		DisableCompression: true, // the client's own business
	}}
	p.ReverseProxy = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		ModifyResponse: func(r *http.Response) error { r.Header.Del(correlationHeader); return nil }, // the gateway's stands already
		ErrorHandler:   p.failed,
		Transport:      p.transport,
		BufferPool:     &buffers{},
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return p
}

func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme = "http"
	r.Out.URL.Host = p.upstreams[p.next.Add(1)%uint64(len(p.upstreams))]
	r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"] // an edge's; our own is added
	r.SetXForwarded()
}

func (p *proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) {
		w.WriteHeader(statusClientGone)
		return
	}
	p.errors.Add(1)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		program.Refuse(w, http.StatusGatewayTimeout, "the service did not answer in time")
		return
	}
	program.Refuse(w, http.StatusBadGateway, "the service is away")
}

// healthy is nil when at least one upstream says that it is.
func (p *proxy) healthy(ctx context.Context) error {
	var first error
	for _, upstream := range p.upstreams {
		err := p.ask(ctx, "http://"+upstream+"/health")
		if err == nil {
			return nil
		}
		first = cmp.Or(first, err)
	}
	return first
}

func (p *proxy) ask(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := p.transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("GET %s: %w", url, err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 4096)) // its reason, as far as it can be read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %.200s", url, response.Status, body)
	}
	return nil
}

func (p *proxy) close() { p.transport.CloseIdleConnections() }

// buffers lends what bodies are copied through.
type buffers struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if lent, ok := b.pool.Get().(*[copyBytes]byte); ok {
		return lent[:]
	}
	return make([]byte, copyBytes)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(lent []byte) { b.pool.Put((*[copyBytes]byte)(lent)) }
