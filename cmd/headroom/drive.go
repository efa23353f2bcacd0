package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/harness/drive"
	"headroom/harness/drive/schedule"
	"headroom/harness/record"
	"headroom/scenarios"
)

// targetFlags say what is requested, and how.
type targetFlags struct {
	url, method, body, targets string
	headers                    []string
	timeout                    time.Duration
	connections, maxInFlight   int
	seed                       uint64
	insecure, allowHost        bool
}

func (f *targetFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "what to request, for example http://127.0.0.1:8080/")
	flags.StringVar(&f.method, "method", "GET", "HTTP method")
	flags.StringArrayVar(&f.headers, "header", nil, "a header as Name: value; may be given several times")
	flags.StringVar(&f.body, "body", "", "file with the request body")
	flags.StringVar(&f.targets, "targets", "", "file of requests sent in turn, in vegeta's format, in place of --url")
	flags.DurationVar(&f.timeout, "timeout", drive.DefaultTimeout, "of one request, from its actual send")
	flags.IntVar(&f.connections, "connections", drive.DefaultConnections, "kept open at most; a request due while all are busy waits, and that wait counts")
	flags.IntVar(&f.maxInFlight, "max-in-flight", drive.DefaultMaxInFlight, "requests due and unanswered; what is due beyond it is counted as unsent")
	flags.Uint64Var(&f.seed, "seed", 1, "of the arrivals")
	flags.BoolVar(&f.insecure, "insecure", false, "accept any TLS certificate")
	flags.BoolVar(&f.allowHost, "allow-host", false, "the target is not on this computer, and its owner agrees to the load")
}

// job returns a job without rate and duration.
func (f *targetFlags) job(ctx context.Context) (drive.Job, error) {
	targets, err := f.requests()
	if err != nil {
		return drive.Job{}, err
	}
	if !f.allowHost {
		if err := checkLoopback(ctx, targets[0].URL); err != nil {
			return drive.Job{}, err
		}
	}
	return drive.Job{
		Targets: targets, Seed: f.seed, Timeout: f.timeout,
		Connections: f.connections, MaxInFlight: f.maxInFlight, TLSSkipVerify: f.insecure,
	}, nil
}

func (f *targetFlags) requests() ([]vegeta.Target, error) {
	if (f.url == "") == (f.targets == "") {
		return nil, errors.New("give either --url or --targets, for example --url http://127.0.0.1:8080/")
	}
	header, err := parseHeaders(f.headers)
	if err != nil {
		return nil, err
	}
	if f.targets != "" {
		data, err := os.ReadFile(f.targets)
		if err != nil {
			return nil, fmt.Errorf("targets: %w", err)
		}
		targets, err := drive.ParseTargets(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.targets, err)
		}
		for i := range targets {
			for name, values := range header {
				targets[i].Header[name] = values
			}
		}
		return targets, nil
	}
	target := vegeta.Target{Method: strings.ToUpper(f.method), URL: f.url, Header: header}
	if f.body != "" {
		if target.Body, err = os.ReadFile(f.body); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
	}
	return []vegeta.Target{target}, nil
}

func parseHeaders(lines []string) (http.Header, error) {
	header := http.Header{}
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		if !found || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("--header %q is not Name: value, for example \"Accept: application/json\"", line)
		}
		header[strings.TrimSpace(name)] = append(header[strings.TrimSpace(name)], strings.TrimSpace(value))
	}
	return header, nil
}

// lookUpTimeout bounds the look-up of a target's name.
const lookUpTimeout = 10 * time.Second

// checkLoopback refuses a target on another computer: load that nobody there
// expects is an attack.
func checkLoopback(ctx context.Context, target string) error {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not an http or https URL: write, for example, http://127.0.0.1:8080/", target)
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	addresses := []netip.Addr{}
	if literal, err := netip.ParseAddr(u.Hostname()); err == nil {
		addresses = append(addresses, literal)
	} else if addresses, err = net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname()); err != nil {
		return fmt.Errorf("the host of %s: %w", target, err)
	}
	for _, a := range addresses {
		if !a.Unmap().IsLoopback() {
			return fmt.Errorf("%s is not on this computer (%s): if it is yours to load, add --allow-host", target, a)
		}
	}
	return nil
}

type driveFlags struct {
	targetFlags
	rate             string
	duration, warmup time.Duration
	arrivals, hdr    string
	json             bool
}

func newDrive() *cobra.Command {
	var f driveFlags
	cmd := &cobra.Command{
		Use:   "drive --url URL",
		Short: "Send a schedule of requests to any URL and measure it",
		Long: `Send a schedule of requests to any URL and measure it: open loop, so a target
that stalls can't slow the schedule down, and response time runs from the
moment a request was due.

--rate max is a closed loop instead: every connection is kept busy, which finds
the most that goes through, and says nothing of latency under a load.`,
		Example: `  headroom drive --url http://127.0.0.1:8080/ --rate 1000/s --duration 10s
  headroom drive --url http://127.0.0.1:8080/ --rate max --connections 64 --json
  headroom drive --targets requests.txt --rate 200/s --arrivals constant --hdr latency.hlog`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDrive(cmd, f) },
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.rate, "rate", "100/s", "requests per time, for example 1000/s, or max")
	cmd.Flags().DurationVar(&f.duration, "duration", 10*time.Second, "of the schedule, the warm-up not included")
	cmd.Flags().DurationVar(&f.warmup, "warmup", 0, "sent before at the same rate, not recorded")
	cmd.Flags().StringVar(&f.arrivals, "arrivals", schedule.Poisson, "poisson or constant; constant arrivals flatter a queue")
	cmd.Flags().StringVar(&f.hdr, "hdr", "", "write a standard HdrHistogram log to this file")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object instead of the summary")
	return cmd
}

func runDrive(cmd *cobra.Command, f driveFlags) error {
	job, err := f.targetFlags.job(cmd.Context())
	if err != nil {
		return usageError(cmd, err)
	}
	if f.rate != "max" {
		if job.RateRPS, err = scenarios.ParseRate(f.rate); err != nil {
			return usageError(cmd, fmt.Errorf("--rate: %w, or max", err))
		}
	}
	job.Duration, job.Warmup, job.Arrivals = f.duration, f.warmup, f.arrivals
	if f.hdr != "" { // found out before the load, not after it
		if err := writeFile(f.hdr, func(io.Writer) error { return nil }); err != nil {
			return err
		}
	}
	if !f.json {
		fmt.Fprintf(cmd.ErrOrStderr(), "driving %s for %v (Ctrl-C ends it early)\n", job.Targets[0].URL, f.warmup+f.duration)
	}
	began := time.Now()
	m, err := drive.Drive(cmd.Context(), job)
	if err != nil {
		return err
	}
	if f.hdr != "" {
		if err := writeFile(f.hdr, func(w io.Writer) error { return record.WriteHDRLog(w, m, began) }); err != nil {
			return err
		}
	}
	summary := record.Summarise(m)
	if err := writeSummary(cmd.OutOrStdout(), summary, f.json); err != nil {
		return err
	}
	return driveVerdict(summary)
}

func writeSummary(w io.Writer, s record.Summary, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(s)
	}
	var text bytes.Buffer
	printSummary(&text, s)
	_, err := text.WriteTo(w)
	return err
}

// driveVerdict turns what cannot be used into an exit code: what was measured
// has been printed.
func driveVerdict(s record.Summary) error {
	switch {
	case s.Interrupted:
		return &exitError{exitInconclusive, errors.New("interrupted: what was measured until then is printed")}
	case s.Sent > 0 && len(s.Status) == 0:
		return &exitError{exitInconclusive, fmt.Errorf("no request was answered: %s", counts(s.Errors))}
	}
	return nil
}
