// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"headroom/targets/shop/cache"
	"headroom/targets/shop/email"
	"headroom/targets/shop/postgres"
)

// metrics counts requests, for Prometheus and for the machine's agent.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	total    atomic.Int64

	feeds, feedStatements atomic.Int64
	roundTrips            atomic.Int64 // of all requests, to databases
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
	m.roundTrips.Add(statements)
	if route == feedRoute {
		m.feeds.Add(1)
		m.feedStatements.Add(statements)
	}
}

// counterSource reads one of the shop's own counters, in the unit of its name.
type counterSource map[string]func() float64

// counters are the keys that the shop's kind lists. All are there from the
// beginning; what the shop does not have stays at 0.
func counters(m *metrics) counterSource {
	none := func() float64 { return 0 }
	return counterSource{
		"requests_total":      count(&m.total),
		"pool_acquires_total": none, "pool_wait_s_total": none, "pool_max": none,
		"feed_requests_total": count(&m.feeds), "feed_statements_total": count(&m.feedStatements),
		"round_trips_total": count(&m.roundTrips),
		"allocations_total": allocations,
		"cache_hits_total":  none, "cache_misses_total": none, "cache_passes_total": none, "cache_errors_total": none,
		"replica_reads_total": none, "primary_reads_total": none, "replica_failures_total": none, "replicas_healthy": none,
		"purges_total": none, "purge_errors_total": none,
	}
}

// addDatabases sums over all databases, their replicas included.
func (c counterSource) addDatabases(pools []*pgxpool.Pool, routers []*postgres.Replicas) {
	c["pool_acquires_total"] = sum(pools, func(p *pgxpool.Pool) float64 { return float64(p.Stat().AcquireCount()) })
	c["pool_wait_s_total"] = sum(pools, func(p *pgxpool.Pool) float64 { return p.Stat().EmptyAcquireWaitTime().Seconds() })
	c["pool_max"] = sum(pools, func(p *pgxpool.Pool) float64 { return float64(p.Stat().MaxConns()) })
	c["replica_reads_total"] = sum(routers, func(r *postgres.Replicas) float64 { return float64(r.Counts().Replica) })
	c["primary_reads_total"] = sum(routers, func(r *postgres.Replicas) float64 { return float64(r.Counts().Primary) })
	c["replica_failures_total"] = sum(routers, func(r *postgres.Replicas) float64 { return float64(r.Counts().Failures) })
	c["replicas_healthy"] = sum(routers, func(r *postgres.Replicas) float64 { return float64(r.Counts().Healthy) })
}

// addCache adds nothing when there is none.
func (c counterSource) addCache(aside *cache.Aside) {
	if aside == nil {
		return
	}
	c["cache_hits_total"] = func() float64 { return float64(aside.Counts().Hits) }
	c["cache_misses_total"] = func() float64 { return float64(aside.Counts().Misses) }
	c["cache_passes_total"] = func() float64 { return float64(aside.Counts().Passes) }
	c["cache_errors_total"] = func() float64 { return float64(aside.Counts().Errors) }
}

// addJobs adds what only a shop with a queue counts.
func (c counterSource) addJobs(q *email.Queue) {
	c["jobs_published_total"] = func() float64 { return float64(q.Published()) }
	c["jobs_publish_errors_total"] = func() float64 { return float64(q.Failed()) }
}

func (c counterSource) addPurges(p *purges) {
	c["purges_total"], c["purge_errors_total"] = count(&p.done), count(&p.failures)
}

// allocations of the heap so far, to the last object: package runtime/metrics
// leaves out what a processor has not handed in yet.
func allocations() float64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.Mallocs)
}

func count(n *atomic.Int64) func() float64 {
	return func() float64 { return float64(n.Load()) }
}

func sum[T any](all []T, of func(T) float64) func() float64 {
	return func() (total float64) {
		for _, one := range all {
			total += of(one)
		}
		return total
	}
}

// register offers the counters to Prometheus too, as shop_<name>.
func (c counterSource) register(r *prometheus.Registry) {
	for name, read := range c {
		if !strings.HasSuffix(name, "_total") {
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
