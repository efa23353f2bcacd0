// SPDX-License-Identifier: Apache-2.0

// Command bench-driver measures headroom's driver beside its peers: one run,
// one pinned core for whoever sends, the other for the target. It prints
// tables in Markdown, and ends with what was asked of the driver beside what
// was measured; docs/driver.md holds the latest.
//
// Throughput has nginx as its target. Pacing has a recorder of its own, which
// notes when each request arrives: what a driver says of its own punctuality
// is compared with what its target saw.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"headroom/harness/machinelock"
	"headroom/internal/host"
)

const (
	targetCore = "0"
	driverCore = "1"
	bothCores  = "0,1"

	maxLength = 10 * time.Minute // of one measurement
)

// The parts of a run, as --only names them.
const (
	partPlain  = "plain"
	partTLS    = "tls"
	partH2     = "h2"
	partPacing = "pacing"
)

var parts = []string{partPlain, partTLS, partH2, partPacing}

// settings are the flags.
type settings struct {
	headroom, vegeta string
	rounds           int
	length           time.Duration
	only             string // one part; empty: all
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 3 && os.Args[1] == recorderArg {
		exitOn(recordArrivals(ctx, os.Args[2], os.Stdin, os.Stdout))
		return
	}
	var s settings
	flag.StringVar(&s.headroom, "headroom", "bin/headroom", "the headroom command")
	flag.StringVar(&s.vegeta, "vegeta", "bin/vegeta", "vegeta's command")
	flag.IntVar(&s.rounds, "rounds", 3, "of every tool, in turn; the median counts")
	flag.DurationVar(&s.length, "length", 8*time.Second, "of one measurement")
	flag.StringVar(&s.only, "only", "", "one part alone: "+strings.Join(parts, ", "))
	flag.Parse()
	exitOn(errors.Join(s.check(), checkMachine()))
	lock, err := machinelock.TakeOrWarn(ctx, "bench-driver", os.Stderr)
	exitOn(err)
	defer lock.Release()
	exitOn(bench(ctx, s))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-driver:", err)
		os.Exit(1)
	}
}

func (s settings) check() error {
	var errs []error
	if s.rounds < 1 {
		errs = append(errs, fmt.Errorf("--rounds is %d: it must be at least 1", s.rounds))
	}
	if s.length < time.Second || s.length > maxLength || s.length%time.Second != 0 {
		errs = append(errs, fmt.Errorf("--length is %v: it must be whole seconds, 1s to %v: wrk, ab and h2load take no others", s.length, maxLength))
	}
	if s.only != "" && !slices.Contains(parts, s.only) {
		errs = append(errs, fmt.Errorf("--only is %q: it must be one of %s", s.only, strings.Join(parts, ", ")))
	}
	if _, err := exec.LookPath(s.headroom); err != nil {
		errs = append(errs, fmt.Errorf("--headroom: %w: run make build", err))
	}
	return errors.Join(errs...)
}

func checkMachine() error {
	if runtime.NumCPU() < 2 {
		return errors.New("there is one core here: the driver and its target need one each")
	}
	for program, packageName := range map[string]string{"nginx": "nginx-light", "taskset": "util-linux"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not installed: apt-get install %s", program, packageName)
		}
	}
	return nil
}

// measured says how often and how long a row was measured.
func (s settings) measured() string {
	if s.rounds == 1 {
		return fmt.Sprintf("one round of %v", s.length)
	}
	return fmt.Sprintf("median of %d rounds of %v", s.rounds, s.length)
}

// wants says whether a part is to be measured.
func (s settings) wants(part string) bool { return s.only == "" || s.only == part }

// findings are the results of a run, which the closing table reads.
type findings struct {
	throughput map[string][]throughput // by protocol
	pacing     []paced                 // all rates of all protocols
	cores      []paced                 // the same load with one core and with two
	missing    []string                // tools that are not installed
}

func bench(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp("", "bench-driver-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all, missing := installed(tools(s.headroom, s.vegeta))
	found := findings{throughput: map[string][]throughput{}, missing: missing}
	fmt.Printf("# The driver beside its peers\n\n%s, %d cores, Linux %s. %s\n\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), kernel(), cpuModel())
	if len(missing) > 0 {
		fmt.Printf("Not installed here, so not measured: %s.\n\n", strings.Join(missing, ", "))
	}
	target, err := startNginx(ctx, dir)
	if err != nil {
		return err
	}
	defer target.stop()
	if err := benchThroughput(ctx, target, all, s, &found); err != nil {
		return err
	}
	if s.wants(partPacing) {
		if err := benchPacing(ctx, target, all, s, &found); err != nil {
			return err
		}
	}
	printAsked(found.asked(s))
	return found.failures()
}

// failures names the tools that failed; what the others did has been printed.
func (f findings) failures() error {
	var errs []error
	for _, p := range protocols {
		for _, r := range f.throughput[p.name] {
			errs = append(errs, r.failed)
		}
	}
	for _, r := range slices.Concat(f.pacing, f.cores) {
		errs = append(errs, r.failed)
	}
	return errors.Join(errs...)
}

func kernel() string {
	release, err := host.KernelRelease()
	if err != nil {
		return "unknown"
	}
	return release
}

func cpuModel() string {
	model, err := host.CPUModel()
	if err != nil {
		return ""
	}
	return model + "."
}
