package shop

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts requests, for Prometheus and for the machine's agent.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	total    atomic.Int64

	feeds, feedStatements atomic.Int64
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered, by the status that was sent.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Time from the request's header to the end of its handler.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "route"}),
	}
	m.registry.MustRegister(m.requests, m.duration)
	return m
}

func (m *metrics) observe(method, route string, status int, took time.Duration) {
	m.total.Add(1)
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(method, route).Observe(took.Seconds())
}

// observeStatements keeps the feed's statements apart: they tell an N+1.
func (m *metrics) observeStatements(route string, statements int64) {
	if route == feedRoute {
		m.feeds.Add(1)
		m.feedStatements.Add(statements)
	}
}

// counterSource reads one of the shop's own counters, in the unit of its name.
type counterSource map[string]func() float64

// counters are the keys that spec.ProcessCounters lists for a shop. pool and
// cache are nil where there is none.
func counters(m *metrics, pool *pgxpool.Pool, cache *cacheAside) counterSource {
	none := func() float64 { return 0 }
	c := counterSource{
		"requests_total":      func() float64 { return float64(m.total.Load()) },
		"pool_acquires_total": none, "pool_wait_s_total": none, "pool_max": none,
		"feed_requests_total":   func() float64 { return float64(m.feeds.Load()) },
		"feed_statements_total": func() float64 { return float64(m.feedStatements.Load()) },
		"cache_hits_total":      none, "cache_misses_total": none, "cache_errors_total": none,
	}
	if pool != nil {
		c["pool_acquires_total"] = func() float64 { return float64(pool.Stat().AcquireCount()) }
		c["pool_wait_s_total"] = func() float64 { return pool.Stat().EmptyAcquireWaitTime().Seconds() }
		c["pool_max"] = func() float64 { return float64(pool.Stat().MaxConns()) }
	}
	if cache != nil {
		c["cache_hits_total"] = func() float64 { return float64(cache.hits.Load()) }
		c["cache_misses_total"] = func() float64 { return float64(cache.misses.Load()) }
		c["cache_errors_total"] = func() float64 { return float64(cache.errors.Load()) }
	}
	return c
}

// register offers the counters to Prometheus too, as shop_<name>.
func (c counterSource) register(r *prometheus.Registry) {
	for name, read := range c {
		if name == "pool_max" {
			r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "shop_" + name, Help: "Of the shop itself."}, read))
			continue
		}
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "shop_" + name, Help: "Of the shop itself."}, read))
	}
}

// ServeHTTP answers GET /internal/counters for the machine's agent.
func (c counterSource) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	values := make(map[string]float64, len(c))
	for name, read := range c {
		values[name] = read()
	}
	_ = answer(w, http.StatusOK, values)
}
