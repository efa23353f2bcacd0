// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const (
	// minArrived is the share of arrivals below which there is no grid to
	// speak of.
	minArrived = 0.98
	// coresRPS is the rate that one core is to pace over TLS as two do.
	coresRPS = 5000
)

var pacedRPS = []int{1000, 5000, 10000}

// pacedProtocols: of HTTP/2 the one connection that all tools can share.
var pacedProtocols = []protocol{plainHTTP1, tlsHTTP1, h2Shared}

// paced is one tool's results at a constant rate, one figure a round.
type paced struct {
	tool, protocol, cores  string
	rps                    int
	arrived                []float64 // share of what was asked for
	errorP50MS, errorP99MS []float64 // by the target's clock; of rounds with a grid
	rssMB                  float64

	// What our own driver says of itself.
	ours               bool
	valid, rounds      int
	lagP50MS, lagP99MS []float64
	responseP99MS      []float64
	invalid            []string // reasons
	failed             error    // and then nothing counts
}

func benchPacing(ctx context.Context, target nginx, all []tool, s settings, found *findings) error {
	fmt.Printf("## Pacing\n\nConstant arrivals; %s, the tools in turn. The error is the distance of an arrival, as the target's clock saw it, from an even grid laid through all arrivals; the network, the deciphering and the target's wake-up are part of it. The target is a recorder of our own, over HTTP/2 too. Send lag, validity and response time are the driver's own figures; the others say nothing of theirs.\n\n", s.measured())
	for _, p := range pacedProtocols {
		var rows []paced
		for _, rps := range pacedRPS {
			l := load{protocol: p, rps: rps, length: s.length}
			some := able(all, l)
			of := make([]paced, len(some))
			for i, t := range some {
				of[i] = paced{tool: t.name, protocol: p.name, rps: rps, ours: t.ours}
			}
			if err := inTurns(ctx, s.rounds, of, func(i int) error { return of[i].pace(ctx, some[i], l) }); err != nil {
				return err
			}
			rows = append(rows, of...)
		}
		printPacing(p, rows)
		found.pacing = append(found.pacing, rows...)
	}
	return benchCores(ctx, target, all[0], s, found)
}

// benchCores paces over TLS with one core, which the target does not share, and
// with both, which it does.
func benchCores(ctx context.Context, target nginx, ours tool, s settings, found *findings) error {
	var rows []paced
	var loads []load
	for _, p := range []protocol{tlsHTTP1, h2Shared} {
		for _, cores := range []string{driverCore, bothCores} {
			rows = append(rows, paced{tool: ours.name, protocol: p.name, rps: coresRPS, cores: cores, ours: true})
			loads = append(loads, load{protocol: p, url: target.url(p), rps: coresRPS, poisson: true, length: s.length})
		}
	}
	err := inTurns(ctx, s.rounds, rows, func(i int) error {
		o, err := ours.run(ctx, loads[i], rows[i].cores)
		if err == nil {
			rows[i].add(o)
		}
		return err
	})
	if err != nil {
		return err
	}
	printCores(rows, s)
	found.cores = rows
	return nil
}

// inTurns measures every row that has not failed once a round.
func inTurns(ctx context.Context, rounds int, rows []paced, measure func(i int) error) error {
	for round := range rounds {
		for i := range rows {
			if rows[i].failed != nil {
				continue
			}
			fmt.Fprintf(os.Stderr, "round %d of %d: %s at %d/s over %s\n", round+1, rounds, rows[i].tool, rows[i].rps, rows[i].protocol)
			rows[i].failed = measure(i)
			if err := interrupted(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// pace measures one round against a recorder.
func (r *paced) pace(ctx context.Context, t tool, l load) error {
	o, arrivals, err := runRecorded(ctx, t, l)
	if err != nil {
		return err
	}
	share := float64(len(arrivals)) / (float64(l.rps) * l.length.Seconds())
	r.arrived = append(r.arrived, share)
	if share >= minArrived {
		p50, p99 := distances(arrivals, l.rps)
		r.errorP50MS = append(r.errorP50MS, p50.Seconds()*1e3)
		r.errorP99MS = append(r.errorP99MS, p99.Seconds()*1e3)
	}
	r.add(o)
	return nil
}

// add takes what a run used and what our driver says of itself.
func (r *paced) add(o outcome) {
	r.rounds++
	r.rssMB = max(r.rssMB, o.rssMB)
	if !r.ours {
		return
	}
	if o.summary.Valid {
		r.valid++
	}
	r.invalid = append(r.invalid, o.summary.InvalidReasons...)
	for _, figure := range []struct {
		from  *float64
		to    *[]float64
		scale float64
	}{{o.summary.SendLagUS.P50, &r.lagP50MS, 1e-3}, {o.summary.SendLagUS.P99, &r.lagP99MS, 1e-3}, {o.summary.ResponseMS.P99, &r.responseP99MS, 1}} {
		if figure.from != nil {
			*figure.to = append(*figure.to, *figure.from*figure.scale)
		}
	}
}

// speaks is what a recorder for the protocol speaks.
func (p protocol) speaks() string {
	switch {
	case p.http2:
		return speaksH2
	case p.tls:
		return speaksTLS
	}
	return speaksPlain
}

// runRecorded runs the tool against a recorder on the target's core and returns
// the moments of arrival.
func runRecorded(ctx context.Context, t tool, l load) (o outcome, arrivals []int64, err error) {
	self, err := os.Executable()
	if err != nil {
		return o, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.length+2*late)
	defer cancel()
	recorder := exec.CommandContext(ctx, "taskset", "-c", targetCore, self, recorderArg, l.speaks())
	recorder.Stderr = os.Stderr
	recorder.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := recorder.StdinPipe()
	if err != nil {
		return o, nil, err
	}
	stdout, err := recorder.StdoutPipe()
	if err != nil {
		return o, nil, err
	}
	if err := recorder.Start(); err != nil {
		return o, nil, err
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		return o, nil, errors.Join(errors.New("the recorder did not start"), recorder.Wait())
	}
	l.url = "http://" + lines.Text() + "/"
	if l.tls {
		l.url = "https://" + lines.Text() + "/"
	}
	o, toolErr := t.run(ctx, l, driverCore)
	_ = stdin.Close()
	for lines.Scan() {
		at, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			toolErr = errors.Join(toolErr, fmt.Errorf("the recorder: %w", err))
			break
		}
		arrivals = append(arrivals, at)
	}
	return o, arrivals, errors.Join(toolErr, lines.Err(), recorder.Wait())
}

// distances lays an even grid through the arrivals, by the median of their
// offsets, and returns how far from it they are.
func distances(arrivals []int64, rps int) (p50, p99 time.Duration) {
	if len(arrivals) == 0 {
		return 0, 0
	}
	arrivals = slices.Sorted(slices.Values(arrivals))
	gap := float64(time.Second) / float64(rps)
	offsets := make([]float64, len(arrivals))
	for k, at := range arrivals {
		offsets[k] = float64(at) - float64(k)*gap
	}
	middle := median(offsets)
	apart := make([]time.Duration, len(offsets))
	for k, offset := range offsets {
		apart[k] = time.Duration(max(offset-middle, middle-offset))
	}
	slices.Sort(apart)
	at := func(q float64) time.Duration { return apart[int(q*float64(len(apart)-1))] }
	return at(0.5), at(0.99)
}

func printPacing(p protocol, rows []paced) {
	fmt.Printf("### %s\n\n", p.name)
	fmt.Println("| tool | requests/s | arrived | error p50, ms | error p99, ms | its range | own send lag p50 / p99, ms | valid | response p99, ms | peak memory, MB |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, r := range rows {
		fmt.Println(r.line())
	}
	fmt.Println()
	printTroubles(rows)
}

func (r paced) line() string {
	if r.failed != nil {
		return fmt.Sprintf("| %s | %d | failed | – | – | – | – | – | – | – |", r.tool, r.rps)
	}
	errors := "no grid | no grid | –"
	if r.grid() {
		errors = fmt.Sprintf("%.3f | %.3f | %.3f-%.3f", median(r.errorP50MS), median(r.errorP99MS), slices.Min(r.errorP99MS), slices.Max(r.errorP99MS))
	}
	return fmt.Sprintf("| %s | %d | %.1f%% | %s | %s | %.0f |", r.tool, r.rps, 100*median(r.arrived), errors, r.own(), r.rssMB)
}

// grid says whether there was one in every round.
func (r paced) grid() bool { return r.rounds > 0 && len(r.errorP99MS) == r.rounds }

// own are the columns that only our driver fills.
func (r paced) own() string {
	if !r.ours {
		return "– | – | –"
	}
	lag, response := "–", "–"
	if len(r.lagP50MS) > 0 && len(r.lagP99MS) > 0 {
		lag = fmt.Sprintf("%.3f / %.3f", median(r.lagP50MS), median(r.lagP99MS))
	}
	if len(r.responseP99MS) > 0 {
		response = fmt.Sprintf("%.3f", median(r.responseP99MS))
	}
	return fmt.Sprintf("%s | %d of %d | %s", lag, r.valid, r.rounds, response)
}

func printCores(rows []paced, s settings) {
	fmt.Printf("### %d/s over TLS on one core and on two\n\nPoisson arrivals at nginx, as a slice has them; %s, in turn. One core: the driver's own. Two: nginx's is the other.\n\n", coresRPS, s.measured())
	fmt.Println("| protocol | cores | own send lag p50 / p99, ms | valid | response p99, ms | peak memory, MB |\n|---|---:|---:|---:|---:|---:|")
	for _, r := range rows {
		cores := 1
		if r.cores == bothCores {
			cores = 2
		}
		if r.failed != nil {
			fmt.Printf("| %s | %d | failed | – | – | – |\n", r.protocol, cores)
			continue
		}
		fmt.Printf("| %s | %d | %s | %.0f |\n", r.protocol, cores, r.own(), r.rssMB)
	}
	fmt.Println()
	printTroubles(rows)
}

// printTroubles says why rows failed and, by the first reason of each, why
// slices are not valid.
func printTroubles(rows []paced) {
	for _, r := range rows {
		if r.failed != nil {
			fmt.Printf("Failed: at %d/s: %v.\n\n", r.rps, r.failed)
		}
		if len(r.invalid) == 0 {
			continue
		}
		cores := ""
		if r.cores == bothCores {
			cores = ", two cores"
		}
		fmt.Printf("Not valid (%s, %d/s%s): %s.\n\n", r.protocol, r.rps, cores, r.invalid[0])
	}
}
