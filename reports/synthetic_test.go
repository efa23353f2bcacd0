// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/reports/cost"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// synthetic is a run with a known truth: after takes a third of the time and
// of the database's work. Everything is drawn from one seed.
type synthetic struct {
	random *rand.Rand
	order  int
}

// process is one of a kind that has its name, with these settings and no others.
func process(name string, settings map[string]string) scenarios.Process {
	kind, known := scenarios.KindOf(kinds.Data(), scenarios.KindName(name))
	if !known {
		panic("there is no kind " + name)
	}
	p := kind.Process(name)
	p.Settings = settings
	return p
}

var started = time.Date(2026, 11, 23, 14, 15, 0, 0, time.UTC)

func syntheticRun() record.Run {
	slo, err := scenarios.ParseSLO("p99<250ms,errors<0.1%")
	if err != nil {
		panic(err)
	}
	shop := func(cache bool) []scenarios.Process {
		p := process("shop", map[string]string{"feed": "join", "pool_size": "8"})
		p.Links = []scenarios.Link{{Role: "database", To: []string{"database/postgres"}}}
		if cache {
			p.Links = append(p.Links, scenarios.Link{Role: "cache", To: []string{"cache/valkey"}})
		}
		return []scenarios.Process{p}
	}
	database := process("postgres", map[string]string{"shared_buffers": "256MB"})
	database.Seed = []string{"headroom", "seed", "--users", "10000", "--posts", "50000", "--orders", "20000"}
	topology := func(label string, cache bool) scenarios.Topology {
		t := scenarios.Topology{Label: label, Entry: "app-1/shop", Machines: []scenarios.Machine{
			{Name: "database", Size: "large", VCPU: 4, MemoryGiB: 16, Processes: []scenarios.Process{database}},
			{Name: "mail", External: true, Processes: []scenarios.Process{process("mail", nil)}},
		}}
		if cache {
			t.Machines = append(t.Machines, scenarios.Machine{Name: "cache", Size: "medium", VCPU: 2, MemoryGiB: 8,
				Processes: []scenarios.Process{process("valkey", nil)}})
		}
		for _, name := range []string{"app-1", "app-2"} {
			t.Machines = append(t.Machines, scenarios.Machine{Name: name, Group: "app", Size: "small", VCPU: 2, MemoryGiB: 4, Processes: shop(cache)})
		}
		return t
	}
	return record.Run{
		ID: "phase3-20261123-141500", StartedAt: started, Seed: 42, Blocks: 3,
		Scenario: scenarios.Scenario{
			Name: "phase3", Title: "Cache-aside with Valkey", Question: "Does a cache in front of the database take the load off it?",
			Sources: []string{"System Design: Designing for Scale, S. Balfe, 2025-03-30"},
			SLO:     slo,
			Load: scenarios.Load{Arrivals: "poisson", RequestsPerUserPerS: 0.01, Mix: []scenarios.Endpoint{
				{Name: "GET /api/feed", Method: "GET", Weight: 0.7}, {Name: "POST /api/posts", Method: "POST", Weight: 0.3}}},
			Before: topology("two apps and a database", false), After: topology("the same with a cache", true), Kinds: kinds.Data(),
			Claims: []scenarios.Claim{
				{ID: "cache-db-load", Source: "B", Text: "A cache takes 70% of the load off the database", Metric: "db_cpu_ms_per_request", At: "common", Compare: "ratio", Op: "<=", Value: 0.30},
				{ID: "cache-latency", Source: "B", Text: "Response time falls to less than half", Metric: "p95_ms", At: "common", Compare: "ratio", Op: "<=", Value: 0.5},
				{ID: "cache-throughput", Source: "B", Text: "Peak throughput grows fourfold", Metric: "limit_rps", Compare: "ratio", Op: ">=", Value: 4},
				{ID: "database-first", Source: "B", Text: "Without a cache the database is what runs out first", Metric: "database_demand_share", At: "common", Compare: "before", Op: ">=", Value: 1},
				{ID: "no-slower", Source: "B", Text: "At the same rate the cached system is still faster", Metric: "p50_ms", At: "common", Compare: "ratio", Op: "<=", Value: 1},
			},
		},
		Shares: record.Shares{HostCPUs: 2, UnitCPUs: 0.1, DriverCPUs: 0.5, ReserveCPUs: 0.3, PeriodMicros: 10000,
			VariantCPUs: map[scenarios.Variant]float64{scenarios.Before: 0.8, scenarios.After: 1.0}},
		Environment: record.Environment{Headroom: "test", OS: "linux", Arch: "amd64", Kernel: "6.1", CPUModel: "a CPU", CPUs: 2, Stage: "docker",
			Engine: "docker 20.10.24", CgroupMode: "v1", NetworkPath: "bridge, driver in a container",
			Packages: map[string]string{"postgresql-17": "17.6", "valkey-server": "8.1"}},
	}
}

// trial draws one slice at a rate. load 0..1 is how near its capacity the variant
// is, which is what its latencies grow with.
func (s *synthetic) trial(kind record.TrialKind, v scenarios.Variant, block int, rateName scenarios.RateName, rate, load, seconds float64) record.Trial {
	s.order++
	t := record.Trial{Kind: kind, Variant: v, Block: block, Order: s.order, RateName: rateName,
		StartedAt: started.Add(time.Duration(s.order) * time.Minute), Environment: syntheticRun().Environment}
	m := &t.Measurement
	m.Arrivals, m.OfferedRPS, m.DurationS = "poisson", rate, seconds
	m.Planned = int64(rate * seconds)
	m.Sent, m.Succeeded, m.BytesIn = m.Planned, m.Planned, m.Planned*1024
	m.AchievedRPS = float64(m.Succeeded) / seconds
	zero := maybe.Of(0)
	m.Driver = record.DriverUse{CPUSeconds: maybe.Of(float64(m.Sent) * 1e-4), MaxRSSMB: maybe.Of(40), ThrottledS: zero, StolenShare: zero, StolenWorstSecond: zero}
	feed := record.EndpointMeasurement{Name: "GET /api/feed"}
	post := record.EndpointMeasurement{Name: "POST /api/posts"}
	base := 14.0
	if v == scenarios.After {
		base = 4.5
	}
	noise := math.Exp(0.04 * s.random.NormFloat64())
	m.Timeline = make([]record.Second, min(int(seconds), 8))
	for i := range m.Timeline {
		m.Timeline[i].Second = i
	}
	for i := range m.Planned {
		ms := base * noise / (1.05 - load) * math.Exp(0.55*s.random.NormFloat64())
		d := time.Duration(ms * float64(time.Millisecond))
		e := &feed
		if i%10 >= 7 {
			e = &post
		}
		e.Sent, e.Succeeded = e.Sent+1, e.Succeeded+1
		second := &m.Timeline[int(float64(i)/rate)%len(m.Timeline)]
		second.Sent++
		for _, h := range []*record.Histogram{&m.Response, &m.ResponseSuccess, &m.Service, &e.Response, &second.Response} {
			h.Record(d)
		}
	}
	m.Endpoints = []record.EndpointMeasurement{feed, post}
	t.Machines = s.machines(v, float64(m.Succeeded), seconds)
	return t
}

func (s *synthetic) machines(v scenarios.Variant, requests, seconds float64) []record.MachineUse {
	database, statements := 3.6e-3, 1.8
	if v == scenarios.After {
		database, statements = 0.95e-3, 0.5
	}
	use := func(name, process string, kind scenarios.KindName, quota, cpuPerRequest float64, counts map[string]float64) record.MachineUse {
		cpu := requests * cpuPerRequest * math.Exp(0.03*s.random.NormFloat64())
		periods := int64(seconds * 100)
		group := name
		if kind == "shop" {
			group = "app"
		}
		return record.MachineUse{Machine: name, Group: group, WindowS: seconds, QuotaCPUs: quota, CPUSeconds: maybe.Of(cpu), Periods: maybe.Of(float64(periods)),
			ThrottledPeriods: maybe.Of(float64(int64(float64(periods) * cpu / seconds / quota / 4))), External: kind == "mail",
			ThrottledS: maybe.Of(0), MemoryBytes: maybe.Of(1 << 26), OOMKills: maybe.Of(0), NetRxBytes: maybe.Of(requests * 512), NetTxBytes: maybe.Of(requests * 1024),
			Processes: []record.ProcessUse{{Name: process, Kind: kind, CPUSeconds: maybe.Of(cpu * 0.98), RSSBytes: maybe.Of(1 << 25), Counts: counts}}}
	}
	machines := []record.MachineUse{
		use("database", "postgres", "postgres", 0.4, database, map[string]float64{
			"statements": requests * statements, "rows": requests * 20, "tuples_read": requests * 24}),
		use("mail", "mail", "mail", 0.1, 1e-5, nil),
	}
	if v == scenarios.After {
		machines = append(machines, use("cache", "valkey", "valkey", 0.2, 0.15e-3,
			map[string]float64{"hits": requests * 0.72, "misses": requests * 0.08}))
	}
	feeds := map[string]float64{"feed_requests": requests * 0.1, "feed_statements": requests * 0.1 * statements / 1.8}
	return append(machines, use("app-1", "shop", "shop", 0.2, 0.6e-3, feeds),
		use("app-2", "shop", "shop", 0.2, 0.6e-3, feeds))
}

// syntheticTrials returns drawTrials' trials, drawn once: tests may change the
// slice they get, not the histograms in it.
func syntheticTrials(blocks int) []record.Trial {
	drawn.Lock()
	defer drawn.Unlock()
	if drawn.trials[blocks] == nil {
		drawn.trials[blocks] = drawTrials(blocks)
	}
	return slices.Clone(drawn.trials[blocks])
}

var drawn = struct {
	sync.Mutex
	trials map[int][]record.Trial
}{trials: map[int][]record.Trial{}}

// drawTrials is a bracket of both variants and so many blocks, each with four
// steps of both staircases and three slices of each at the common rate, one of
// before's in the last block being invalid. Soaks follow, and a recovery.
func drawTrials(blocks int) []record.Trial {
	s := &synthetic{random: rand.New(rand.NewPCG(7, 11))}
	var trials []record.Trial
	probe := func(v scenarios.Variant, block int, name scenarios.RateName, rate, load, seconds float64) {
		trials = append(trials, s.trial(record.KindProbe, v, block, name, rate, load, seconds))
	}
	capacities := map[scenarios.Variant]float64{scenarios.Before: 100, scenarios.After: 320}
	for _, v := range scenarios.Variants() {
		probe(v, 0, record.RateBracket, 0.8*capacities[v], 0.6, 2)
		probe(v, 0, record.RateBracket, 1.1*capacities[v], 1.02, 2)
	}
	for block := 1; block <= blocks; block++ {
		for turn := range 4 {
			for _, v := range scenarios.Variants() {
				share := math.Exp(0.05*float64(turn%2) + 0.03*(s.random.Float64()-0.5))
				probe(v, block, record.RateStairs, 0.97*share*capacities[v], 0.75+0.26*float64(turn%2), 6)
			}
		}
		for take := range 3 {
			for _, v := range scenarios.Variants() {
				load := map[scenarios.Variant]float64{scenarios.Before: 0.65, scenarios.After: 0.2}[v]
				t := s.trial(record.KindSlice, v, block, record.RateCommon, 80, load, 6)
				if v == scenarios.Before && block == blocks && take == 1 {
					t.Invalid = []string{"the driver was throttled", "p99 send lag 14 ms is above 12.5 ms"}
				}
				trials = append(trials, t)
			}
		}
	}
	for _, v := range scenarios.Variants() {
		probe(v, blocks, record.RateSoak, 0.93*capacities[v], 0.7, 60)
		probe(v, blocks, record.RateOverload, 1.3*capacities[v], 1.04, 2)
		probe(v, blocks, record.RateRecover, 0.7*capacities[v], 0.5, 2)
		for _, share := range []float64{0.2, 0.4, 0.6} {
			probe(v, blocks, record.RateCurve, share*capacities[v], share*0.8, 3)
		}
	}
	return trials
}

func examplePrices() cost.Book {
	book, err := cost.Example()
	if err != nil {
		panic(err)
	}
	return book
}

// proofTrials are a proof of after's bottleneck: four rounds of one turn, in
// which the capacity comes out so many times as high with the apps larger, and
// with the cache.
func proofTrials(named, other float64) []record.Trial {
	s := &synthetic{random: rand.New(rand.NewPCG(3, 5)), order: 100}
	var trials []record.Trial
	for round := 1; round <= 4; round++ {
		base := 300 * math.Exp(0.02*s.random.NormFloat64())
		for _, step := range []struct {
			resize record.Resize
			times  float64
		}{
			{record.Resize{Step: record.ResizeBase, Factor: 1}, 1},
			{record.Resize{Step: record.ResizeNamed, Group: "app", Factor: 1.25}, named},
			{record.Resize{Step: record.ResizeOther, Group: "cache", Factor: 1.25}, other},
		} {
			t := s.trial(record.KindProbe, scenarios.After, round, "proof", base*step.times*math.Exp(0.01*s.random.NormFloat64()), 0.8, 2)
			step.resize.Round, step.resize.Scale = round, 0.94
			t.Resize = &step.resize
			trials = append(trials, t)
		}
	}
	return trials
}
