// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"headroom/targets/shop/store"
)

const purgeTimeout = time.Second

// purges tells the edges of a CDN to forget the feed after a write.
//
// Gives: a new post is in every edge's feed as soon as the purge arrives, not
// after the TTL. Costs: a request to each edge; edges that the origin must
// know; and the work of the next reader at each. Two windows stay. The purge
// runs after the write was answered, for a far edge must not slow a write down,
// so until it arrives the edge shows the old feed. And an answer that left the
// origin before the write may reach the edge after the purge, and lives out its
// TTL there. A purge that fails is counted and not repeated: the TTL, some
// seconds, does the rest.
//
// The queue is one place an edge. A purge that has not begun serves every write
// before it, so whoever finds the place taken has nothing to add: nothing is
// lost, and an edge that is slow or away holds up nothing. Measured by scenario
// phase6, setting purge: write.
type purges struct {
	client *http.Client
	log    *slog.Logger
	edges  []edge

	done, failures atomic.Int64
	waiting        atomic.Int64 // due, or being sent
}

type edge struct {
	address string
	due     chan struct{}
}

func newPurges(log *slog.Logger, addresses ...string) *purges {
	p := &purges{client: &http.Client{Timeout: purgeTimeout, Transport: &http.Transport{IdleConnTimeout: time.Minute}}, log: log}
	for _, address := range addresses {
		p.edges = append(p.edges, edge{address, make(chan struct{}, 1)})
	}
	return p
}

// feed asks for a purge of the feed at every edge, and does not wait for it.
func (p *purges) feed() {
	for _, e := range p.edges {
		p.waiting.Add(1)
		select {
		case e.due <- struct{}{}:
		default:
			p.waiting.Add(-1)
		}
	}
}

// left is how many purges are not through yet.
func (p *purges) left() int { return int(p.waiting.Load()) }

// run sends purges until ctx ends; what is still due then is left to the TTL.
func (p *purges) run(ctx context.Context) {
	var senders sync.WaitGroup
	for _, e := range p.edges {
		senders.Go(func() {
			for {
				select {
				case <-e.due:
					p.send(ctx, e.address)
					p.waiting.Add(-1)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	senders.Wait()
	p.client.CloseIdleConnections()
}

// send counts every purge and failure, and logs each power of two of failures.
func (p *purges) send(ctx context.Context, address string) {
	p.done.Add(1)
	if err := p.purge(ctx, address); err != nil {
		if n := p.failures.Add(1); n&(n-1) == 0 {
			p.log.Warn("purge failed, the edge shows the old feed until its TTL", "edge", address, "failures", n, "error", err)
		}
	}
}

func (p *purges) purge(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, "PURGE", "http://"+address+feedRoute, nil)
	if err != nil {
		return err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 4096)) // read to the end, the connection can be used again
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("PURGE %s at %s answered %s", feedRoute, address, response.Status)
	}
	return nil
}

// purging purges after the writes that change what edges keep. It stands
// outside the cache: an edge that asks again must not get the cached old page.
type purging struct {
	store.Writer
	feed func()
}

// CreatePost implements store.Editor.
func (p purging) CreatePost(ctx context.Context, post store.NewPost) (store.Post, error) {
	created, err := p.Writer.CreatePost(ctx, post)
	if err == nil {
		p.feed()
	}
	return created, err
}
