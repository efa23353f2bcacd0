// SPDX-License-Identifier: Apache-2.0

// Package dataset makes the shop's data: users, posts and orders whose every
// field is a pure function of (constant seed, table, id), so that any two
// databases of the same size hold the same rows and a test can say what row 42
// must be without asking.
package dataset

import (
	"math/rand/v2"
	"strconv"
	"time"

	"headroom/scenarios"
)

// Version names the data and the schema. It changes whenever either does: a
// stored copy of another version must be thrown away.
const Version = "6"

// Term is the search word of a rank, from 1 on: every title holds exactly one.
func Term(rank int) string { return "w" + strconv.Itoa(rank) }

const seed = 0x5eed_0f_5409

// The tables, as streams of random numbers that do not depend on each other.
const (
	tableUsers uint64 = iota + 1
	tablePosts
	tableOrders
)

const (
	bioBytes  = 330
	bodyBytes = 200
)

var (
	firstNames = []string{"Ada", "Barbara", "Claude", "Dorothy", "Edsger", "Frances", "Grace", "Hedy", "Ivan", "Joan", "Katherine", "Leslie", "Margaret", "Niklaus", "Radia", "Tony"}
	lastNames  = []string{"Adler", "Brandt", "Castro", "Dubois", "Eriksen", "Fontaine", "Garcia", "Hoffmann", "Ito", "Jansen", "Kowalski", "Lindgren", "Moreau", "Novak", "Okafor", "Petrov"}
	cities     = []string{"Amsterdam", "Berlin", "Copenhagen", "Dublin", "Edinburgh", "Florence", "Geneva", "Hamburg"}
	statuses   = []string{"paid", "packed", "shipped", "delivered"}
	adjectives = []string{"Amber", "Brass", "Copper", "Dusty", "Elder", "Faded", "Gentle", "Hollow", "Ivory", "Jagged", "Keen", "Linen", "Mellow", "Narrow", "Oaken", "Plain"}
	nouns      = []string{"anchor", "basket", "candle", "drawer", "engine", "fender", "garden", "hammer", "island", "jacket", "kettle", "ladder", "mirror", "needle", "orchard", "pillow"}
	prose      = []string{"a", "and", "before", "blue", "by", "carries", "early", "every", "finds", "from", "harbour", "he", "in", "keeps", "late", "letters", "light", "market", "morning", "north", "of", "old", "on", "quiet", "rain", "river", "she", "stone", "the", "to", "under", "walks"}
)

var (
	firstUser  = time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)
	firstPost  = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	firstOrder = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
)

// rows writes the rows of a dataset in COPY's text format. No field holds a
// tab, a newline or a backslash, so nothing needs escaping. Not for two
// goroutines at once.
type rows struct {
	size Size
	pcg  rand.PCG
}

// draw is a number 0..n-1. The bias of the remainder is below n/2^64.
func (r *rows) draw(n int) int { return int(r.pcg.Uint64() % uint64(n)) }

func (r *rows) at(table uint64, id int) { r.pcg.Seed(seed+table<<48, uint64(id)) }

// user appends: id, email, name, city, bio, created_at.
func (r *rows) user(b []byte, id int) []byte {
	r.at(tableUsers, id)
	b = strconv.AppendInt(b, int64(id), 10)
	b = append(b, "\tuser"...)
	b = strconv.AppendInt(b, int64(id), 10)
	b = append(b, "@shop.example\t"...)
	b = append(b, firstNames[r.draw(len(firstNames))]...)
	b = append(b, ' ')
	b = append(b, lastNames[r.draw(len(lastNames))]...)
	b = append(b, '\t')
	b = append(b, cities[r.draw(len(cities))]...)
	b = append(b, '\t')
	b = r.text(b, bioBytes)
	b = append(b, '\t')
	return appendTime(b, firstUser.Add(time.Duration(id)*10*time.Minute))
}

// post appends: id, author_id, title, body, created_at.
func (r *rows) post(b []byte, id int) []byte {
	r.at(tablePosts, id)
	b = strconv.AppendInt(b, int64(id), 10)
	b = append(b, '\t')
	b = strconv.AppendInt(b, int64(1+r.draw(r.size.Users)), 10)
	b = append(b, '\t')
	b = append(b, adjectives[r.draw(len(adjectives))]...)
	b = append(b, ' ')
	b = append(b, nouns[r.draw(len(nouns))]...)
	b = append(b, " w"...)
	b = strconv.AppendInt(b, int64(1+r.draw(r.size.terms())), 10)
	b = append(b, '\t')
	b = r.text(b, bodyBytes)
	b = append(b, '\t')
	return appendTime(b, firstPost.Add(time.Duration(id)*time.Minute))
}

// order appends: id, user_id, item, amount_cents, status, created_at.
func (r *rows) order(b []byte, id int) []byte {
	r.at(tableOrders, id)
	b = strconv.AppendInt(b, int64(id), 10)
	b = append(b, '\t')
	b = strconv.AppendInt(b, int64(r.buyer()), 10)
	b = append(b, "\titem-"...)
	b = strconv.AppendInt(b, int64(1+r.draw(r.size.Posts)), 10)
	b = append(b, '\t')
	b = strconv.AppendInt(b, int64(99+r.draw(50_000)), 10)
	b = append(b, '\t')
	b = append(b, statuses[r.draw(len(statuses))]...)
	b = append(b, '\t')
	return appendTime(b, firstOrder.Add(time.Duration(id)*30*time.Second))
}

// buyer draws who ordered: rank r has a share near 1/(2*sqrt(r*users)), zipf
// with exponent 1/2. Of 1,000,000 orders of 100,000 users the first has about
// 3,200, the hundredth 160, the median 7.
func (r *rows) buyer() int {
	u := float64(r.pcg.Uint64()>>11) / (1 << 53)
	rank := 1 + int(float64(r.size.Users)*u*u)
	return scenarios.ScatterRank(rank, r.size.Users)
}

// buyerOf is whose order this is: the first that order draws.
func (r *rows) buyerOf(id int) int {
	r.at(tableOrders, id)
	return r.buyer()
}

// text appends words of prose, exactly size bytes of them.
func (r *rows) text(b []byte, size int) []byte {
	end := len(b) + size
	for len(b) < end {
		bits := r.pcg.Uint64()
		for range 12 { // five bits a word
			b = append(b, prose[bits%uint64(len(prose))]...)
			b = append(b, ' ')
			bits >>= 5
		}
	}
	b = b[:end]
	b[end-1] = '.'
	return b
}

func appendTime(b []byte, t time.Time) []byte {
	return t.AppendFormat(b, "2006-01-02 15:04:05Z07:00")
}
