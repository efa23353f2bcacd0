// SPDX-License-Identifier: Apache-2.0

// Package fill says what each request does to the pages that the shop caches. With
// that a cache can be filled with what it would hold after long traffic, without
// that traffic.
package fill

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

// CacheEffects are the pages that a request reads ("" when it reads none that is
// cached) and those that it makes stale, by their names in the cache.
func CacheEffects(method, target string, body []byte) (reads string, stale []string) {
	path, query, _ := strings.Cut(target, "?")
	switch {
	case method == "GET" && path == "/api/feed":
		return "feed:0", nil
	case method == "GET" && path == "/api/orders":
		values, err := url.ParseQuery(query)
		if err != nil {
			return "", nil
		}
		return name("orders", values.Get("user")), nil
	case method == "GET":
		return one(path), nil
	case method == "PUT":
		if edited := one(path); edited != "" {
			return "", []string{edited}
		}
	case method == "POST":
		return "", madeStale(path, body)
	}
	return "", nil
}

// one is the page of one user or post.
func one(path string) string {
	if id, ok := strings.CutPrefix(path, "/api/users/"); ok {
		return name("user", id)
	}
	if id, ok := strings.CutPrefix(path, "/api/posts/"); ok {
		return name("post", id)
	}
	return ""
}

func madeStale(path string, body []byte) []string {
	var of struct{ User, From, To int64 }
	switch path {
	case "/api/posts":
		return []string{"feed:0"}
	case "/api/orders", "/api/checkout", "/api/gifts":
		if json.Unmarshal(body, &of) != nil {
			return nil
		}
	}
	var stale []string
	for _, user := range []int64{of.User, of.From, of.To} {
		if user > 0 {
			stale = append(stale, name("orders", strconv.FormatInt(user, 10)))
		}
	}
	return stale
}

func name(kind, id string) string {
	if n, err := strconv.ParseInt(id, 10, 64); err != nil || n < 1 {
		return ""
	}
	return kind + ":" + id
}
