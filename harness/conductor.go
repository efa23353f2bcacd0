// Package harness conducts a run: it starts both variants of a scenario on a
// stage, lets a driver push the same traffic at each, reads what every machine
// used, and writes one trial per slice.
//
// The order of a run (docs/measurement.md):
//
//  1. For each block both variants start afresh and warm up. The first block
//     begins with a search for each variant's capacity under the SLO.
//  2. At the common rate, 80% of before's limit, and at the high rate, near
//     after's, each variant gets a slice, in coin-flipped order. One is loaded
//     while the other idles.
//  3. Every slice and probe is a line of the trials file before the next begins.
//  4. Where it is asked for, the bottleneck that those trials name is put to the
//     proof (Prove).
package harness

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// Stage is where the variants stand.
type Stage interface {
	// Start returns a running system, or an error after cleaning up.
	Start(ctx context.Context, v scenarios.Variant, block int) (System, error)
	// Driver drives one job from within the stage's network.
	Drive(ctx context.Context, job drive.Job) (record.Measurement, error)
}

// System is one running variant.
type System interface {
	// Limit gives every machine its CPU quota. Until then a system that has just
	// started may use the whole host, to warm up.
	Limit(ctx context.Context) error
	EntryURL(from string) string // as the driver reaches it; "" is the main entry
	Machines() []Machine
	Close(ctx context.Context) error
}

// Machine is one running machine, with what it may use.
type Machine struct {
	Name             string
	Group            string
	External         bool
	QuotaCPUs        float64
	MemoryLimitBytes int64
	Agent            observe.Target
}

// Progress hears what is being done, and about how long it will take.
type Progress interface {
	Begin(what string, about time.Duration)
	Note(format string, args ...any)
}

// TrialWriter keeps trials: a record.Writer does, in a run's file.
type TrialWriter interface {
	WriteTrial(t record.Trial) error
}

// Conductor runs one scenario.
type Conductor struct {
	Scenario    *scenarios.Scenario
	Plan        Plan
	Seed        uint64
	Environment record.Environment
	Stage       Stage
	Writer      TrialWriter
	Progress    Progress
	Auditor     Auditor // nil: the machines' agents

	order   int                             // of the last trial
	repeats int                             // of slices, so far
	again   bool                            // the slice under way is a repetition
	bounds  map[scenarios.Variant]float64   // of throughput, by CPU demand while it warmed up; 0: not known
	fillRPS float64                         // the rate that caches are filled for; 0: not known yet
	tried   map[scenarios.Variant][]float64 // rates of the search that said something
	resize  *record.Resize                  // of the system that is measured; nil outside a proof
}

// Rates that slices run at, by name.
const (
	RateCommon = "common"
	RateHigh   = "high"
	RateCurve  = "curve" // one of several, for the load-latency curve

	commonShare = 0.8  // of before's limit
	highShare   = 0.85 // of after's limit
)

// Run measures, and returns when every slice is in the file. A cancelled ctx
// stops it at once; the trials so far stay.
func (c *Conductor) Run(ctx context.Context) error {
	coin := rand.New(rand.NewPCG(c.Seed, 0x636f696e)) // "coin"
	var rates map[string]float64
	for block := 1; block <= c.Plan.Blocks; block++ {
		err := c.systems(ctx, block, func(running map[scenarios.Variant]System) error {
			if rates == nil {
				limits, err := c.limits(ctx, running)
				if err != nil {
					return err
				}
				rates = c.rates(limits)
			}
			return c.slices(ctx, block, running, rates, coin)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rates turns the limits into the two rates that every block measures at.
func (c *Conductor) rates(limits map[scenarios.Variant]float64) map[string]float64 {
	rates := map[string]float64{
		RateCommon: limits[scenarios.Before] * commonShare,
		RateHigh:   limits[scenarios.After] * highShare,
	}
	c.Progress.Note("capacity: before %.0f requests/s, after %.0f; measuring at %.0f and %.0f requests/s",
		limits[scenarios.Before], limits[scenarios.After], rates[RateCommon], rates[RateHigh])
	return rates
}

// systems starts both variants, hands them to use, and stops them whatever
// happens.
func (c *Conductor) systems(ctx context.Context, block int, use func(map[scenarios.Variant]System) error) (err error) {
	var mu sync.Mutex
	running := map[scenarios.Variant]System{}
	defer func() {
		c.Progress.Begin(fmt.Sprintf("block %d of %d: stop both", block, c.Plan.Blocks), 2*time.Second)
		stopped := make(chan error, len(running))
		for _, s := range running {
			go func() { stopped <- s.Close(ctx) }()
		}
		for range running {
			err = errors.Join(err, <-stopped)
		}
	}()
	c.Progress.Begin(fmt.Sprintf("block %d of %d: start before (%s) and after (%s)", block, c.Plan.Blocks, c.Scenario.Before.Label, c.Scenario.After.Label), 15*time.Second)
	group, groupCtx := errgroup.WithContext(ctx)
	for _, v := range scenarios.Variants() {
		group.Go(func() error {
			s, err := c.Stage.Start(groupCtx, v, block)
			if err != nil {
				return fmt.Errorf("start %s: %w", v, err)
			}
			mu.Lock()
			defer mu.Unlock()
			running[v] = s
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := c.makeReady(ctx, block, running); err != nil {
		return err
	}
	return use(running)
}

// limits finds both variants' limits, on the systems of the first block.
func (c *Conductor) limits(ctx context.Context, running map[scenarios.Variant]System) (map[scenarios.Variant]float64, error) {
	limits := map[scenarios.Variant]float64{}
	c.tried = map[scenarios.Variant][]float64{}
	for _, v := range scenarios.Variants() {
		limit, err := c.capacity(ctx, v, running[v])
		if err != nil {
			return nil, err
		}
		limits[v] = limit
		if err := c.curve(ctx, v, running[v], limit); err != nil {
			return nil, err
		}
	}
	return limits, nil
}

// curve measures the load-latency curve where the search left it out.
func (c *Conductor) curve(ctx context.Context, v scenarios.Variant, s System, limit float64) error {
	for _, share := range c.Plan.Curve {
		rps := share * limit
		if slices.ContainsFunc(c.tried[v], func(tried float64) bool { return math.Abs(tried/rps-1) < sameRate }) {
			continue
		}
		c.Progress.Begin(fmt.Sprintf("curve: %s at %.0f requests/s, %.0f%% of its capacity", v, rps, share*100), c.Plan.CurvePoint)
		if _, err := c.slice(ctx, sliceOf{record.KindProbe, v, 0, RateCurve, rps, c.Plan.CurvePoint, inFlightCap(rps, c.Scenario.SLO)}, s); err != nil {
			return err
		}
		if err := sleep(ctx, c.Plan.Search.Pause); err != nil {
			return err
		}
	}
	return nil
}

// sameRate is how near to a point of the curve another measurement stands for
// it.
const sameRate = 0.07

// capacity searches one variant's limit. When nothing held a confirmation, it
// is where the capacity most likely is, and when the driver or the host spoiled
// the search, what CPU demand allows.
func (c *Conductor) capacity(ctx context.Context, v scenarios.Variant, s System) (float64, error) {
	bounds := boundFinder{hostCPUs: float64(c.Environment.CPUs)}
	found, err := c.searchCapacity(ctx, v, s, &bounds, func(step CapacityStep) {
		if long := step.Kind != search.Grow; long && step.Verdict != search.Spoiled && step.Verdict != search.Saturated {
			c.tried[v] = append(c.tried[v], step.RPS)
		}
	})
	if err != nil {
		return 0, err
	}
	outcome := found.Outcome()
	switch limit := found.Estimate(); {
	case outcome.BelowMin:
		return 0, fmt.Errorf("%s did not hold the SLO %s even at %.3g requests/s: is it the right SLO for this system?", v, c.Scenario.SLO.Text, outcome.FailedRPS)
	case outcome.Confirmed:
		return limit, nil
	case found.Bracketed():
		c.Progress.Note("capacity: %s held no confirmation; measuring as if it were %.0f requests/s", v, limit)
		return limit, nil
	case bounds.bound > 0:
		c.Progress.Note("capacity: %s's steps were spoiled, its limit is taken from CPU demand alone (%.0f requests/s): is this machine busy with other work?", v, bounds.bound*boundShare)
		return bounds.bound * boundShare, nil
	}
	return 0, fmt.Errorf("%s: no step of the search was valid, so there is no rate to measure at: a quiet machine is needed", v)
}

// slices measures one block: both variants at both rates, in coin-flipped
// order.
func (c *Conductor) slices(ctx context.Context, block int, running map[scenarios.Variant]System, rates map[string]float64, coin *rand.Rand) error {
	for _, name := range []string{RateCommon, RateHigh} {
		order := scenarios.Variants()
		if coin.IntN(2) == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, v := range order {
			length := c.Plan.slice(rates[name])
			c.Progress.Begin(fmt.Sprintf("block %d of %d: %s at %.0f requests/s", block, c.Plan.Blocks, v, rates[name]), c.Plan.Warmup+length)
			if err := c.warmUp(ctx, v, running[v], rates[name], block); err != nil {
				return err
			}
			of := sliceOf{record.KindSlice, v, block, name, rates[name], length, 0}
			if err := c.measureSlice(ctx, of, running[v]); err != nil {
				return err
			}
		}
	}
	return nil
}

// measureSlice measures a slice, and once more when the driver or the host
// spoiled it and the plan has a repeat left. Both are on file.
func (c *Conductor) measureSlice(ctx context.Context, of sliceOf, s System) error {
	trial, err := c.slice(ctx, of, s)
	if err != nil || trial.Valid() || trial.Overloaded() || c.repeats >= c.Plan.Repeats {
		return err // an overload is the variant's own doing
	}
	c.repeats++
	c.Progress.Begin(fmt.Sprintf("block %d of %d: %s again: %s", of.block, c.Plan.Blocks, of.variant, trial.Invalid[0]), of.duration)
	c.again = true
	defer func() { c.again = false }()
	_, err = c.slice(ctx, of, s)
	return err
}

// sliceOf says which slice is measured.
type sliceOf struct {
	kind     record.TrialKind
	variant  scenarios.Variant
	block    int
	rateName string
	rps      float64
	duration time.Duration
	inFlight int // at most; 0: the scenario's
}

// slice measures one slice and writes its trial.
func (c *Conductor) slice(ctx context.Context, of sliceOf, s System) (record.Trial, error) {
	trial := record.Trial{
		Kind: of.kind, Variant: of.variant, Block: of.block, RateName: of.rateName,
		StartedAt: time.Now().UTC(), Environment: c.Environment, Resize: c.resize,
	}
	machines := s.Machines()
	before, err := readAll(ctx, machines)
	if err != nil {
		return trial, err
	}
	var middle []spec.Counters
	trial.Measurement, middle, err = c.driveWatched(ctx, c.job(of, s), machines)
	if err != nil {
		return trial, fmt.Errorf("drive %s: %w", of.variant, err)
	}
	trial.Invalid = append(trial.Invalid, trial.Measurement.InvalidReasons...)
	if trial.Measurement.Interrupted {
		trial.Invalid = append(trial.Invalid, "interrupted")
	}
	// The readings after an interrupted slice are still wanted, but not for long.
	lastReadTimeout := time.Minute
	if ctx.Err() != nil {
		lastReadTimeout = 3 * time.Second
	}
	readCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastReadTimeout)
	defer cancel()
	after, err := readAll(readCtx, machines)
	if err != nil {
		trial.Invalid = append(trial.Invalid, err.Error())
	} else {
		trial.Machines = uses(machines, before, after, &trial.Invalid)
		for i, counters := range middle {
			observe.Gauges(&trial.Machines[i], counters)
		}
	}
	c.audit(ctx, of, s, &trial, before, after)
	judgement, _, _ := trial.Judge(c.Scenario.SLO)
	if stolen := trial.Measurement.Driver.Stolen(); of.kind == record.KindProbe && judgement == record.SLOFails && stolen && trial.Valid() {
		trial.Invalid = append(trial.Invalid, stolenReason(trial.Measurement.Driver))
	}
	c.order++
	trial.Order = c.order
	return trial, errors.Join(c.Writer.WriteTrial(trial), ctx.Err())
}

// readAttempts bounds how often a reading is tried: behind a slice that
// overloaded a machine its agent has to wait for the queue to drain.
const readAttempts = 3

func readAll(ctx context.Context, machines []Machine) ([]spec.Counters, error) {
	targets := agentTargets(machines)
	var counters []spec.Counters
	var err error
	for range readAttempts {
		if counters, err = observe.ReadAll(ctx, targets); err == nil || ctx.Err() != nil {
			break
		}
	}
	return counters, err
}

func uses(machines []Machine, before, after []spec.Counters, invalid *[]string) []record.MachineUse {
	out := make([]record.MachineUse, len(machines))
	for i, m := range machines {
		use, reasons := observe.Use(before[i], after[i], m.QuotaCPUs, m.MemoryLimitBytes, m.Group, m.External)
		out[i] = use
		*invalid = append(*invalid, reasons...)
	}
	return out
}

// job is the traffic of one slice. The seed depends on block and rate only:
// both variants see the same arrivals and the same keys. Probes and repetitions
// have their own.
func (c *Conductor) job(of sliceOf, s System) drive.Job {
	schedule := of.rateName
	switch {
	case of.kind == record.KindProbe:
		// An unlucky one must not lean on every step. And what is asked for again
		// asks for other keys: those of the first time are in the cache now.
		schedule = fmt.Sprintf("%s at %g, trial %d", of.rateName, of.rps, c.order)
	case c.again:
		schedule += " again"
	}
	load := c.Scenario.Load
	inFlight := load.MaxInFlight
	if of.inFlight > 0 {
		inFlight = min(inFlight, of.inFlight)
	}
	job := drive.Job{
		BaseURL:     s.EntryURL(""),
		Arrivals:    load.Arrivals,
		RateRPS:     of.rps,
		Duration:    of.duration,
		Seed:        mixSeed(c.Seed, uint64(of.block), uint64(crc32.ChecksumIEEE([]byte(schedule)))),
		Mix:         load.Mix,
		Keys:        load.Keys,
		Timeout:     load.Timeout,
		Connections: load.Connections,
		MaxInFlight: inFlight,
		MaxBody:     4 << 20,
		SLOLatency:  c.Scenario.SLO.TightestLatency(),
	}
	for from := range c.Scenario.Topology(of.variant).Entries {
		if job.Entries == nil {
			job.Entries = map[string]string{}
		}
		job.Entries[from] = s.EntryURL(from)
	}
	c.watch(&job, of)
	return job
}

// mixSeed derives one seed from several numbers.
func mixSeed(parts ...uint64) uint64 {
	var out uint64 = 0x9e3779b97f4a7c15
	for _, p := range parts {
		out = rand.New(rand.NewPCG(out, p)).Uint64()
	}
	return out
}
