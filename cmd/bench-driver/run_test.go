// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
}

// A slice that our driver calls unusable is a finding; a driver that breaks, or
// says nothing, is a failure that says why.
func TestRunTellsFindingsFromFailures(t *testing.T) {
	needs(t, "taskset", "sh")
	const summary = `{"sent": 10, "failed": 2, "valid": false, "response_ms": {"p99": 1.5}}`
	for _, c := range []struct {
		name, script string
		ours         bool
		want         string // in the error; empty: none
	}{
		{"ours, usable", "echo '" + summary + "'", true, ""},
		{"ours, not usable", "echo '" + summary + "'; exit 3", true, ""},
		{"ours, nothing was answered", `echo '{"sent": 10, "failed": 10}'; echo refused >&2; exit 3`, true, "refused"},
		{"ours, without a summary", "echo unknown flag >&2; exit 2", true, "exit status 2: unknown flag"},
		{"another says why on stdout, in two lines", "echo no; echo way; exit 1", false, "exit status 1: no way"},
		{"ours, with other words", "echo hello", true, "not the JSON"},
		{"another", "echo hello", false, ""},
		{"another fails with our exit code", "echo '" + summary + "'; echo why >&2; exit 3", false, "exit status 3: why"},
		{"another reads its targets", "read line; test \"$line\" = 'GET URL'", false, ""},
	} {
		sh := tool{name: "tool", program: "sh", ours: c.ours, args: func(load) []string { return []string{"-c", c.script} }, stdin: func(l load) string { return "GET " + l.url + "\n" }}
		o, err := sh.run(t.Context(), load{protocol: plainHTTP1, url: "URL", length: time.Second}, targetCore)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: the error is %v, want %q", c.name, err, c.want)
		}
		if c.ours && c.want == "" && (o.summary.ResponseMS.P99 == nil || *o.summary.ResponseMS.P99 != 1.5) {
			t.Errorf("%s: the summary is %+v", c.name, o.summary)
		}
	}
}

// A small command's peak memory is its own, however large the program that
// started it has been.
func TestPeakMemoryIsNotInherited(t *testing.T) {
	needs(t, "taskset", "sleep")
	large := make([]byte, 64<<20)
	for i := range large {
		large[i] = 1
	}
	sleep := tool{name: "sleep", program: "sleep", args: func(load) []string { return []string{"0.1"} }}
	o, err := sleep.run(t.Context(), load{protocol: plainHTTP1, length: time.Second}, targetCore)
	if err != nil {
		t.Fatal(err)
	}
	if o.rssMB <= 0 || o.rssMB > 16 || large[len(large)-1] != 1 {
		t.Errorf("sleep had %.1f MB", o.rssMB)
	}
}

// nginx serves each protocol at its address, with the cipher that all get, and
// counts all requests.
func TestNginx(t *testing.T) {
	needs(t, "taskset", "nginx")
	target, err := startNginx(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer target.stop()
	before, err := target.served()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range protocols {
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		client := http.Client{Transport: transport, Timeout: 10 * time.Second}
		response, err := client.Get(target.url(p))
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK || (response.ProtoMajor == 2) != p.http2 || (response.TLS != nil) != p.tls {
			t.Errorf("%s: the answer is %s over %s", p.name, response.Status, response.Proto)
		}
		if p.tls && response.TLS.CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
			t.Errorf("%s: the cipher is %s", p.name, tls.CipherSuiteName(response.TLS.CipherSuite))
		}
		transport.CloseIdleConnections()
	}
	after, err := target.served()
	if want := before + int64(len(protocols)) + 1; err != nil || after != want {
		t.Errorf("nginx counts %d, %v, want %d", after, err, want)
	}
}
