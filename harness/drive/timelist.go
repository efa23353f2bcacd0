// SPDX-License-Identifier: Apache-2.0

package drive

import "time"

// links are an element's place in a timeList.
type links[T any] struct{ older, newer *T }

// timed is what a timeList holds.
type timed[T any] interface {
	*T
	links() *links[T]
	at() time.Duration
}

// timeList holds things in the order of their moments, the oldest first. An
// element is in one list at most.
type timeList[T any, P timed[T]] struct{ oldest, newest P }

// insert adds an element. It mostly is the newest, so that is where the search
// for its place begins.
func (l *timeList[T, P]) insert(e P) {
	before := l.newest
	for before != nil && before.at() > e.at() {
		before = before.links().older
	}
	own := e.links()
	own.older = before
	if before == nil {
		own.newer, l.oldest = l.oldest, e
	} else {
		own.newer, before.links().newer = before.links().newer, e
	}
	if own.newer == nil {
		l.newest = e
	} else {
		P(own.newer).links().older = e
	}
}

// remove takes an element out that is in the list.
func (l *timeList[T, P]) remove(e P) {
	own := e.links()
	if own.older == nil {
		l.oldest = own.newer
	} else {
		P(own.older).links().newer = own.newer
	}
	if own.newer == nil {
		l.newest = own.older
	} else {
		P(own.newer).links().older = own.older
	}
	*own = links[T]{}
}
