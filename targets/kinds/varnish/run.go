// SPDX-License-Identifier: Apache-2.0

package varnish

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// owner owns the server's files where we are root.
const owner = "vcache"

// server runs Varnish as an edge of a CDN: a cache of public answers, near its users.
type server struct {
	spec   spec.Process
	dir    string // its configuration and working directory
	runner *child.Runner
	client *http.Client
}

func newServer(p spec.Process, h machine.Host) *server {
	return &server{spec: p, dir: h.Dir, runner: h.Runner, client: &http.Client{Transport: &http.Transport{MaxIdleConns: 1}}}
}

func find() (string, error) { return machine.FindProgram("varnishd") }

func (s *server) workDir() string { return filepath.Join(s.dir, "work") }

// fixed are parameters that no scenario changes. Two threads serve a request that
// goes on to the distant origin, so many threads are allowed, and few wait idle.
// Nobody reads the log: it is short, so it stays in memory. Short-lived objects count
// as storage too, so the storage is all the memory of the cache.
var fixed = []string{
	"thread_pools=1", "thread_pool_min=20", "thread_pool_max=1000",
	"vsl_space=1M", "shortlived=0", "default_grace=0", "default_keep=0",
}

// Command writes the configuration and makes the folder to work in.
func (s *server) Command(context.Context) (*exec.Cmd, error) {
	config, err := configOf(s.spec)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.workDir(), 0o755); err != nil {
		return nil, err
	}
	// It writes there, and compiles its configuration there, as its user.
	if err := machine.ChownTo(owner, s.workDir()); err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, "edge.vcl")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return nil, err
	}
	program, err := find()
	if err != nil {
		return nil, err
	}
	args := []string{"-F", "-j", "none", "-n", s.workDir(), "-a", s.spec.Listen(), "-f", path, "-T", "none", "-s", storage(s.spec.Settings)}
	for _, parameter := range fixed {
		args = append(args, "-p", parameter)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = s.workDir()
	cmd.SysProcAttr, err = machine.AsUser(owner)
	return cmd, err
}

// storage says in the server's own words where it keeps answers, and how many kB of
// them. A size is whole kB.
func storage(settings map[string]string) string {
	return "malloc," + strconv.FormatInt(Storage.Of(settings)>>10, 10) + "k"
}

// configOf writes the configuration. A cached answer is the same for everybody: it is
// found by its URL alone, whatever Host, cookies and session came with the request. A
// response says in X-Cache what the edge did; what an application's own cache did
// moves to X-Shop-Cache.
func configOf(p spec.Process) (string, error) {
	origin := p.Links[scenarios.RoleOrigin]
	if len(origin) != 1 {
		return "", fmt.Errorf("has %d origins, not one", len(origin))
	}
	host, port, err := net.SplitHostPort(origin[0])
	if err != nil || strings.ContainsAny(origin[0], "\"\n") {
		return "", fmt.Errorf("origin %q: not host:port", origin[0])
	}
	assetsTTL, err := vclSeconds(p.Settings, AssetsTTL.Name)
	if err != nil {
		return "", err
	}
	apiTTL, err := vclSeconds(p.Settings, APITTL.Name)
	if err != nil {
		return "", err
	}
	return strings.NewReplacer(
		"{host}", host, "{port}", port, "{assets_ttl}", assetsTTL, "{api_ttl}", apiTTL,
	).Replace(template), nil
}

// vclSeconds turns a setting such as "24h0m0s" into VCL's "86400.000s".
func vclSeconds(settings map[string]string, name string) (string, error) {
	d, err := time.ParseDuration(settings[name])
	if err != nil || d < 0 {
		return "", fmt.Errorf("%s %q: not a time such as 2s", name, settings[name])
	}
	return fmt.Sprintf("%.3fs", d.Seconds()), nil
}

// template resolves the origin once, when the edge starts. Waits for it are as long
// as HAProxy's. Every process in the run's network may purge.
const template = `vcl 4.1;

backend origin {
    .host = "{host}";
    .port = "{port}";
    .connect_timeout = 2s;
    .first_byte_timeout = 60s;
    .between_bytes_timeout = 60s;
}

sub vcl_recv {
    if (req.method == "PURGE") {
        return (purge);
    }
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    if (req.url ~ "^/assets/" || req.url ~ "^/api/(feed|search)(\?|$)" || req.url ~ "^/api/posts/[0-9]+$") {
        unset req.http.Cookie;
        return (hash);
    }
    return (pass);
}

sub vcl_hash {
    hash_data(req.url);
    return (lookup);
}

sub vcl_hit {
    set req.http.X-Edge = "hit";
}

sub vcl_miss {
    set req.http.X-Edge = "miss";
}

sub vcl_pass {
    set req.http.X-Edge = "pass";
}

sub vcl_backend_fetch {
    unset bereq.http.X-Edge;
}

sub vcl_backend_response {
    if (beresp.http.X-Cache) {
        set beresp.http.X-Shop-Cache = beresp.http.X-Cache;
        unset beresp.http.X-Cache;
    }
    if (bereq.uncacheable) {
        return (deliver);
    }
    if (bereq.url ~ "^/assets/") {
        set beresp.ttl = {assets_ttl};
    } else {
        set beresp.ttl = {api_ttl};
    }
    if (beresp.status != 200 || beresp.ttl <= 0s) {
        # Known for a moment as not to be cached: those who ask at the same time
        # do not wait for each other.
        set beresp.ttl = 1s;
        set beresp.uncacheable = true;
        return (deliver);
    }
    unset beresp.http.Set-Cookie;
    unset beresp.http.Vary;
    return (deliver);
}

sub vcl_deliver {
    set resp.http.X-Cache = req.http.X-Edge;
    unset resp.http.Via;
    unset resp.http.X-Varnish;
}
`

// Ready asks for the origin's health, which is never cached.
func (s *server) Ready(ctx context.Context) error {
	_, err := machine.Get(ctx, s.client, "http://"+s.spec.LocalAddress()+"/health")
	return err
}

// Close lets go of the connection for questions.
func (s *server) Close() { s.client.CloseIdleConnections() }

// counters are varnishstat's names of our counters. Backend requests go to the
// origin, errors are the origin's, and bytes are those of the storage.
var counters = map[string][]string{
	"requests_total":         {"MAIN.client_req"},
	"hits_total":             {"MAIN.cache_hit"},
	"misses_total":           {"MAIN.cache_miss"},
	"passes_total":           {"MAIN.s_pass"},
	"purges_total":           {"MAIN.n_purges"},
	"evictions_total":        {"MAIN.n_lru_nuked"},
	"backend_requests_total": {"MAIN.backend_req"},
	"errors_total":           {"MAIN.backend_fail", "MAIN.fetch_failed"},
	"objects":                {"MAIN.n_object"},
	"bytes":                  {"SMA.s0.g_bytes"},
}

// Count has varnishstat read the counters, which the server keeps in a file
// that it shares.
func (s *server) Count(ctx context.Context) (map[string]float64, error) {
	program, err := machine.FindProgram("varnishstat")
	if err != nil {
		return nil, err
	}
	args := []string{"-n", s.workDir(), "-1", "-j", "-t", "1"}
	for _, names := range counters {
		for _, name := range names {
			args = append(args, "-f", name)
		}
	}
	cmd := exec.Command(program, args...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := s.runner.Run(ctx, cmd, child.Options{Name: "varnishstat"}); err != nil {
		return nil, err
	}
	return parseVarnishstat(out.Bytes())
}

// parseVarnishstat reads the JSON of varnishstat -1 -j.
func parseVarnishstat(text []byte) (map[string]float64, error) {
	var stat struct {
		Counters map[string]struct {
			Value *float64 `json:"value"`
		} `json:"counters"`
	}
	if err := json.Unmarshal(text, &stat); err != nil {
		return nil, fmt.Errorf("varnishstat: %w", err)
	}
	counts := make(map[string]float64, len(counters))
	for name, sources := range counters {
		for _, source := range sources {
			value := stat.Counters[source].Value
			if value == nil {
				return nil, fmt.Errorf("varnishstat: does not say %s", source)
			}
			counts[name] += *value
		}
	}
	return counts, nil
}
