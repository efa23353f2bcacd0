// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"errors"
	"sync"

	"headroom/targets/machine/spec"
)

// maxRemembered bounds what the ledger remembers: orders, and keys.
const maxRemembered = 4_000_000

var (
	errSent   = errors.New("a mail with this key was sent")
	errInHand = errors.New("a mail with this key is being sent: ask again")
	errFull   = errors.New("no room to remember another key: send without one, or start the provider anew")
)

// ledger remembers what the provider sent.
type ledger struct {
	limit int

	mu     sync.Mutex
	orders map[int64]int32 // order -> how often its mail was sent
	full   bool            // an order came that found no room
	keys   map[string]bool // key -> sent; false: being sent
}

func newLedger(limit int) *ledger {
	return &ledger{limit: limit, orders: map[int64]int32{}, keys: map[string]bool{}}
}

// begin takes the key for a mail that is to be sent; "" is no key. With nil,
// sent or forget must follow.
func (l *ledger) begin(key string) error {
	if key == "" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	sent, known := l.keys[key]
	switch {
	case sent:
		return errSent
	case known:
		return errInHand
	case len(l.keys) >= l.limit:
		return errFull
	}
	l.keys[key] = false
	return nil
}

// sent closes what begin opened. Order 0 is not counted.
func (l *ledger) sent(key string, order int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if key != "" {
		l.keys[key] = true
	}
	if order == 0 {
		return
	}
	n, known := l.orders[order]
	if !known && len(l.orders) >= l.limit {
		l.full = true
		return
	}
	l.orders[order] = n + 1
}

// forget gives the key of a mail back that was not sent.
func (l *ledger) forget(key string) {
	if key == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.keys, key)
}

// seen answers an audit.
func (l *ledger) seen(ids []int64) spec.Effects {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := spec.Effects{Seen: make(map[int64]int, len(ids)), Full: l.full}
	for _, id := range ids {
		if n, known := l.orders[id]; known || !l.full {
			s.Seen[id] = int(n)
		}
	}
	return s
}
