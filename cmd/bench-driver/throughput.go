// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
)

// throughput is one tool's results over one protocol.
type throughput struct {
	tool          string
	perSecond     []float64
	cpuPerMillion []float64
	targetBusy    []float64 // of nginx's core, 0..1
	rssMB         float64
	failed        error // and then nothing counts
}

func benchThroughput(ctx context.Context, target nginx, all []tool, s settings, found *findings) error {
	wanted := slices.DeleteFunc(slices.Clone(protocols), func(p protocol) bool { return !s.wants(p.part) })
	for i, p := range wanted {
		if i == 0 {
			fmt.Printf("## As fast as it goes\n\nOne core for the driver, the other for nginx (one worker, a response of 6 bytes; over TLS 1.3 with TLS_AES_128_GCM_SHA256); connections kept alive, at most 64 requests in flight; %s, the tools in turn. Requests are counted by nginx. A tool that can't send a load is not in its table.\n\n", s.measured())
		}
		l := load{protocol: p, url: target.url(p), length: s.length}
		some := able(all, l)
		results := make([]throughput, len(some))
		for round := range s.rounds {
			for i, t := range some {
				results[i].tool = t.name
				if results[i].failed != nil {
					continue
				}
				fmt.Fprintf(os.Stderr, "round %d of %d: %s as fast as it goes over %s\n", round+1, s.rounds, t.name, p.name)
				results[i].failed = results[i].add(ctx, target, t, l)
				if err := interrupted(ctx); err != nil {
					return err
				}
			}
		}
		found.throughput[p.name] = results
		printThroughput(p, results)
	}
	return nil
}

func (r *throughput) add(ctx context.Context, target nginx, t tool, l load) error {
	before, err := target.served()
	if err != nil {
		return err
	}
	busy := watchCore(targetCore)
	o, err := t.run(ctx, l, driverCore)
	if err != nil {
		return err
	}
	r.targetBusy = append(r.targetBusy, busy())
	after, err := target.served()
	if err != nil {
		return err
	}
	requests := float64(after - before - 1) // the question itself is one
	if requests < 1 {
		return fmt.Errorf("%s over %s: nginx counted no request", t.name, l.name)
	}
	r.perSecond = append(r.perSecond, requests/l.length.Seconds())
	r.cpuPerMillion = append(r.cpuPerMillion, o.cpu.Seconds()/requests*1e6)
	r.rssMB = max(r.rssMB, o.rssMB)
	return nil
}

func printThroughput(p protocol, results []throughput) {
	fmt.Printf("### %s\n\n", p.name)
	fmt.Println("| tool | requests/s | range | ours / it | CPU s per million requests | nginx's core busy | peak memory, MB |\n|---|---:|---:|---:|---:|---:|---:|")
	for _, r := range results {
		if r.failed != nil {
			fmt.Printf("| %s | failed | – | – | – | – | – |\n", r.tool)
			continue
		}
		ratio := "–"
		if ours, ok := ratioTo(results, r.tool); ok {
			ratio = fmt.Sprintf("%.2f", ours)
		}
		fmt.Printf("| %s | %.0f | %.0f-%.0f | %s | %.1f | %.0f%% | %.0f |\n", r.tool, median(r.perSecond),
			slices.Min(r.perSecond), slices.Max(r.perSecond), ratio, median(r.cpuPerMillion), 100*median(r.targetBusy), r.rssMB)
	}
	fmt.Println()
	for _, r := range results {
		if r.failed != nil {
			fmt.Printf("Failed: %v.\n\n", r.failed)
		}
	}
}

// ratioTo is our requests per second over another tool's.
func ratioTo(results []throughput, other string) (float64, bool) {
	ours, ok := rateOf(results, nameOurs)
	theirs, found := rateOf(results, other)
	if !ok || !found || theirs == 0 {
		return 0, false
	}
	return ours / theirs, true
}

// fullCore is the share from which nginx's core counts as full: the rest is the tool's
// own start and end.
const fullCore = 0.95

// targetFull says whether nginx had no more to give to our driver.
func targetFull(results []throughput) bool {
	return slices.ContainsFunc(results, func(r throughput) bool {
		return r.tool == nameOurs && len(r.targetBusy) > 0 && median(r.targetBusy) >= fullCore
	})
}

func rateOf(results []throughput, name string) (float64, bool) {
	for _, r := range results {
		if r.tool == name && r.failed == nil && len(r.perSecond) > 0 {
			return median(r.perSecond), true
		}
	}
	return 0, false
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
