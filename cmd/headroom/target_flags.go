// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
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

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/harness/drive"
	"headroom/harness/drive/mix"
	"headroom/harness/drive/targets"
)

// targetFlags say what is requested, and how.
type targetFlags struct {
	url, method, body, targets, format string
	headers                            []string
	timeout, resolveEvery              time.Duration
	connections, maxInFlight, streams  int
	redirects                          int
	maxBody, unixSocket                string
	keepAlive, http1, http2            bool
	seed                               uint64
	insecure, allowHost                bool
	cacert, cert, key                  string
}

func (f *targetFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "what to request, for example http://127.0.0.1:8080/")
	flags.StringVar(&f.method, "method", "GET", "HTTP method of --url")
	flags.StringArrayVar(&f.headers, "header", nil, "a header as Name: value; may be given several times")
	flags.StringVar(&f.body, "body", "", "file with the request body; of --targets, of those that have none")
	flags.StringVar(&f.targets, "targets", "", "file of requests sent in turn, in vegeta's formats, in place of --url; - is standard input")
	flags.StringVar(&f.format, "format", "", "of --targets: http or json; found out when not given")
	flags.DurationVar(&f.timeout, "timeout", drive.DefaultTimeout, "of one request, from its actual send")
	flags.IntVar(&f.connections, "connections", 0, "open at most; when not given, a further one is opened while all are busy, up to --max-in-flight and what this computer allows; with --rate max 64")
	flags.IntVar(&f.streams, "streams", 0, "requests on one HTTP/2 connection at once; when not given 100 or what the server allows, with --rate max 1")
	flags.IntVar(&f.maxInFlight, "max-in-flight", drive.DefaultMaxInFlight, "requests due and unanswered; what is due beyond it is counted as unsent")
	flags.BoolVar(&f.keepAlive, "keepalive", true, "send further requests on open connections; --keepalive=false opens one for each request")
	flags.BoolVar(&f.http1, "http1", false, "speak HTTP/1.1 over TLS, even where the server prefers HTTP/2")
	flags.BoolVar(&f.http2, "http2", false, "speak HTTP/2 or nothing; without TLS by prior knowledge")
	flags.IntVar(&f.redirects, "redirects", 0, "follow so many redirects in a row; each is a request of its own")
	flags.StringVar(&f.maxBody, "max-body", "64MiB", "largest body of an answer; a larger one fails its request")
	flags.StringVar(&f.unixSocket, "unix-socket", "", "connect to this socket, whatever the URL's host")
	flags.DurationVar(&f.resolveEvery, "resolve-every", 0, "look the target's name up again so often; when not given, once connecting fails")
	flags.Uint64Var(&f.seed, "seed", 1, "of the arrivals")
	flags.BoolVar(&f.insecure, "insecure", false, "accept any TLS certificate")
	flags.StringVar(&f.cacert, "cacert", "", "file of certificates (PEM) to trust in place of the system's")
	flags.StringVar(&f.cert, "cert", "", "file of the driver's own certificate (PEM), with --key")
	flags.StringVar(&f.key, "key", "", "file of its private key (PEM)")
	flags.BoolVar(&f.allowHost, "allow-host", false, "the target is not on this computer, and its owner agrees to the load")
}

// names are those of all these flags.
func (f *targetFlags) names() []string {
	var names []string
	var alone cobra.Command
	new(targetFlags).add(&alone)
	alone.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	return names
}

// flagOf names the flag that sets a job's field.
var flagOf = map[string]string{
	"arrivals": "--arrivals", "rate_rps": "--rate", "duration_ns": "--duration", "warmup_ns": "--warmup",
	"timeout_ns": "--timeout", "connections": "--connections", "max_in_flight": "--max-in-flight",
	"max_body_bytes": "--max-body", "streams": "--streams", "redirects": "--redirects", "requests": "--requests",
	"resolve_every_ns": "--resolve-every", "engine": "--engine",
}

// checkJob says what is wrong with a job in the words of the command line.
func checkJob(job drive.Job) error {
	err := job.Check()
	var fields drive.FieldErrors
	if !errors.As(err, &fields) {
		return err
	}
	for i, f := range fields {
		if flag := flagOf[f.Field]; flag != "" {
			fields[i].Field = flag
		}
	}
	return fields
}

// job returns a job without rate and duration.
func (f *targetFlags) job(cmd *cobra.Command) (drive.Job, error) {
	job := drive.Job{
		Seed: f.seed, Timeout: f.timeout, Connections: f.connections, MaxInFlight: f.maxInFlight,
		Streams: f.streams, NewConnections: !f.keepAlive, Redirects: f.redirects,
		UnixSocket: f.unixSocket, ResolveEvery: f.resolveEvery, TLS: drive.TLS{SkipVerify: f.insecure},
	}
	if err := f.checkZeros(cmd); err != nil {
		return job, err
	}
	switch {
	case f.http1 && f.http2:
		return job, errors.New("give --http1 or --http2, not both")
	case f.http1:
		job.Protocol = drive.ProtocolHTTP1
	case f.http2:
		job.Protocol = drive.ProtocolHTTP2
	}
	var err error
	if job.MaxBody, err = units.RAMInBytes(f.maxBody); err != nil || job.MaxBody < 1 {
		return job, fmt.Errorf("--max-body %q is not a size: write, for example, 64MiB", f.maxBody)
	}
	for _, file := range []struct {
		flag, path string
		into       *[]byte
	}{{"--cacert", f.cacert, &job.TLS.RootsPEM}, {"--cert", f.cert, &job.TLS.CertPEM}, {"--key", f.key, &job.TLS.KeyPEM}} {
		if file.path == "" {
			continue
		}
		if *file.into, err = os.ReadFile(file.path); err != nil {
			return job, fmt.Errorf("%s: %w", file.flag, err)
		}
		if len(*file.into) == 0 {
			return job, fmt.Errorf("%s: %s is empty", file.flag, file.path)
		}
	}
	if (f.cert == "") != (f.key == "") {
		return job, errors.New("--cert and --key belong together: give both")
	}
	if job.Targets, err = f.requests(cmd); err != nil {
		return job, err
	}
	if !f.allowHost && f.unixSocket == "" {
		err = checkLoopback(cmd.Context(), job.Targets[0].URL)
	}
	return job, err
}

// checkZeros refuses a zero that was written down: a job's zero is its default,
// which nobody who writes 0 means.
func (f *targetFlags) checkZeros(cmd *cobra.Command) error {
	for name, zero := range map[string]bool{
		"connections": f.connections == 0, "streams": f.streams == 0, "max-in-flight": f.maxInFlight == 0,
		"timeout": f.timeout == 0, "resolve-every": f.resolveEvery == 0,
	} {
		if zero && cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s 0: write a value above 0, or leave the flag out for its default", name)
		}
	}
	return nil
}

func (f *targetFlags) requests(cmd *cobra.Command) ([]vegeta.Target, error) {
	if (f.url == "") == (f.targets == "") {
		return nil, errors.New("give either --url or --targets, for example --url http://127.0.0.1:8080/")
	}
	header, err := parseHeaders(f.headers)
	if err != nil {
		return nil, err
	}
	var body []byte
	if f.body != "" {
		if body, err = os.ReadFile(f.body); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
	}
	if f.targets == "" {
		if f.format != "" {
			return nil, errors.New("--format is of --targets, and there are none")
		}
		target := vegeta.Target{Method: strings.ToUpper(f.method), URL: f.url, Header: header, Body: body}
		return []vegeta.Target{target}, checkParts(target)
	}
	if cmd.Flags().Changed("method") {
		return nil, errors.New("--method is of --url: each of the targets names its own")
	}
	options := targets.Options{Format: f.format, Header: header, Body: body, Name: f.targets}
	if f.targets == "-" {
		options.Name = "standard input"
		return targets.Parse(cmd.InOrStdin(), options)
	}
	file, err := os.Open(f.targets)
	if err != nil {
		return nil, fmt.Errorf("targets: %w", err)
	}
	defer file.Close()
	return targets.Parse(io.Reader(file), options)
}

// checkParts names the flag of what can't be sent.
func checkParts(target vegeta.Target) error {
	var check mix.Checker
	if err := check.Check(vegeta.Target{Method: http.MethodGet, URL: target.URL}); err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	if err := check.Check(vegeta.Target{Method: target.Method, URL: target.URL}); err != nil {
		return fmt.Errorf("--method: %w", err)
	}
	if err := check.Check(target); err != nil {
		return fmt.Errorf("--header: %w", err)
	}
	return nil
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
// expects is an attack. 0.0.0.0 and :: are this computer too.
func checkLoopback(ctx context.Context, target string) error {
	shown := mix.Shown(target)
	u, err := url.Parse(target)
	if err != nil {
		return fmt.Errorf("%s: %w", shown, err) // cannot be: it has been checked
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	addresses := []netip.Addr{}
	if literal, err := netip.ParseAddr(u.Hostname()); err == nil {
		addresses = append(addresses, literal)
	} else if addresses, err = net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname()); err != nil {
		return fmt.Errorf("the host of %s: %w", shown, err)
	}
	for _, a := range addresses {
		if a = a.Unmap(); !a.IsLoopback() && !a.IsUnspecified() {
			return fmt.Errorf("%s is not on this computer (%s): if it is yours to load, add --allow-host", shown, a)
		}
	}
	return nil
}
