// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"headroom/targets/machine/spec"
	"headroom/targets/program"
	"headroom/targets/shop/plant"
)

const feedRoute = "/api/feed"

// routes puts the shop together. What watches it (health, metrics, counters)
// is not counted as requests.
func routes(a *api, m *metrics, c counterSource, dependencies []program.Dependency, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /api/users/{id}": a.getUser,
		"PUT /api/users/{id}": a.putUser,
		"GET " + feedRoute:    a.getFeed,
		"POST /api/posts":     a.createPost,
		"GET /api/posts/{id}": a.getPost,
		"GET /api/orders":     a.getOrders,
		"POST /api/orders":    a.createOrder,
		"POST /api/gifts":     a.createGift,
		"GET /api/search":     a.search,
		"POST /api/checkout":  a.checkout,
		"GET /assets/{name}":  serveAsset,
	} {
		_, route, _ := strings.Cut(pattern, " ")
		if strings.HasPrefix(route, "/api/") && len(a.pools) > 0 {
			h = plant.Into(a.plant, a.pools[0], h)
		}
		mux.Handle(pattern, instrument(route, m, log, h))
	}
	mux.Handle("GET /health", health(dependencies))
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /internal/counters", c)
	mux.Handle("GET "+spec.SettlePath, settle(a.pools, a.behind))
	if a.filler != nil {
		mux.Handle("POST "+spec.FillPath, a.filler)
	}
	mux.HandleFunc("POST "+spec.CacheEffectPath, serveCacheEffects)
	mux.HandleFunc("POST "+spec.HomePath, serveHome)
	return mux
}
