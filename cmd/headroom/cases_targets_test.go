// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// H11: credentials of a URL are sent.
func TestCaseCredentials(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	for _, where := range [][]string{
		{"--targets", targetsCase(t, "userinfo.targets", s)},
		{"--url", "http://user:p%40ss@127.0.0.1:" + s.port() + "/auth"},
	} {
		d := driveCase(t, append(where, "--rate", "100/s", "--requests", "5")...)
		d.succeeded(t, 5)
		if d.Status["200"] != 5 || strings.Contains(d.stderr, "p@ss") || strings.Contains(d.stderr, "p%40ss") {
			t.Errorf("%v: %s", d.Status, d.stderr)
		}
	}
	// The password is told to nobody, the terminal neither.
	_, stdout, stderr := headroom(t.Context(), "drive", "--url", "http://user:p%40ss@127.0.0.1:"+s.port()+"/auth", "--rate", "100/s", "--requests", "5")
	if strings.Contains(stdout+stderr, "p%40ss") || strings.Contains(stdout+stderr, "p@ss") || !strings.Contains(stderr, "/auth") {
		t.Errorf("%s%s", stdout, stderr)
	}
}

// H12: --body is the body of the targets that have none, --method is refused.
func TestCaseBodyOfTargets(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	targets := targetsCase(t, "post-without-body.targets", s)
	body := caseFile(t, "body", strings.Repeat("b", 4000))
	d := driveCase(t, "--targets", targets, "--body", body, "--rate", "100/s", "--requests", "5")
	d.succeeded(t, 5)
	if got := s.counts().bodies; d.BytesOut != 5*4000 || got != 5*4000 {
		t.Errorf("%d bytes out, the server got %d", d.BytesOut, got)
	}
	refused(t, "--method is of --url: each of the targets names its own", "--targets", targets, "--method", "PUT")
	if got := s.counts().requests; got != 5 {
		t.Errorf("the server got %d requests, want 5", got)
	}
}

// H14: what a line of targets holds beyond method and URL is refused with its
// line.
func TestCaseSuffixOfTarget(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	targets := targetsCase(t, "http11-suffix.targets", s)
	refused(t, targets+":1: ", "--targets", targets, "--rate", "5/s", "--duration", "1s")
	refused(t, "HTTP/1.1", "--targets", targets, "--rate", "5/s", "--duration", "1s")
	if got := s.counts(); got != (caseCounts{}) {
		t.Errorf("the server saw %+v", got)
	}
}

// H17: a header without a value is sent so, from targets as from --header.
func TestCaseEmptyHeader(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	driveCase(t, "--targets", targetsCase(t, "empty-header.targets", s), "--rate", "100/s", "--requests", "5").succeeded(t, 5)
	driveCase(t, "--url", s.url("/a"), "--header", "X-Empty:", "--header", "X-Two: 2", "--rate", "100/s", "--requests", "5").succeeded(t, 5)
	seen := s.requests()
	if len(seen) != 10 {
		t.Fatalf("%d requests, want 10", len(seen))
	}
	for _, r := range seen {
		if empty := r.Header["X-Empty"]; len(empty) != 1 || empty[0] != "" || r.Header.Get("X-Two") != "2" {
			t.Errorf("header %v", r.Header)
		}
	}
}

// H23: which of several targets failed is told, by JSON and summary.
func TestCaseFailuresByTarget(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	d := driveCase(t, "--targets", targetsCase(t, "one-of-two-fails.targets", s), "--rate", "100/s", "--requests", "10")
	d.usable(t)
	if len(d.Endpoints) != 2 {
		t.Fatalf("endpoints %+v", d.Endpoints)
	}
	for i, want := range []struct {
		path           string
		sent, failures int64
	}{{"/ok", 5, 0}, {"/status/404", 5, 5}} {
		e := d.Endpoints[i]
		if !strings.HasSuffix(e.Name, want.path) || e.Sent != want.sent || e.Failed != want.failures || e.Succeeded != want.sent-want.failures {
			t.Errorf("%+v, want %+v", e, want)
		}
		line := regexp.MustCompile(`(?m)^\S.*` + regexp.QuoteMeta(want.path) + ` +` + fmt.Sprint(want.sent) + ` +` + fmt.Sprint(want.failures) + ` `)
		if !line.MatchString(d.text()) {
			t.Errorf("no line of %s, %d and %d in:\n%s", want.path, want.sent, want.failures, d.text())
		}
	}
}

// M7: targets come from standard input too, and in vegeta's JSON.
func TestCaseTargetsOfStandardInput(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	file := targetsCase(t, "vegeta-json.targets", s)
	driveCase(t, "--targets", file, "--rate", "100/s", "--requests", "3").succeeded(t, 3)
	driveCase(t, "--targets", file, "--format", "json", "--rate", "100/s", "--requests", "3").succeeded(t, 3)
	list := `{"method":"POST","url":"` + s.url("/json") + `","body":"aGVsbG8=","header":{"X-One":["1"]}}` + "\n" + `{"method":"GET","url":"` + s.url("/other") + `"}`
	driveFrom(t, list, "--targets", "-", "--rate", "100/s", "--requests", "4").succeeded(t, 4)
	driveFrom(t, "GET "+s.url("/http")+"\n", "--targets", "-", "--rate", "100/s", "--requests", "2").succeeded(t, 2)
	paths := map[string]int{}
	for _, r := range s.requests() {
		paths[r.Method+" "+r.URL.Path+" "+r.Header.Get("X-One")]++
	}
	if want := map[string]int{"GET /a ": 6, "POST /json 1": 2, "GET /other ": 2, "GET /http ": 2}; fmt.Sprint(paths) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", paths, want)
	}
	if got := s.counts().bodies; got != 2*5 {
		t.Errorf("%d bytes of bodies, want 10", got)
	}
	refused(t, file+":1: ", "--targets", file, "--format", "http")
	refused(t, "unknown", "--targets", file, "--format", "yaml")
	refused(t, "--format is of --targets", "--url", s.url("/"), "--format", "json")
}

// H15: the log's times are milliseconds.
func TestCaseLogTimes(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "x.hlog")
	before := time.Now().Truncate(time.Millisecond)
	driveCase(t, "--url", serveCases(t).url("/"), "--rate", "100/s", "--duration", "1200ms", "--arrivals", "constant", "--hdr", log).usable(t)
	after := time.Now()
	file, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	times := map[string]float64{}
	line := regexp.MustCompile(`^#\[(StartTime|BaseTime): (\d+\.\d{3}) \(seconds since epoch\)`)
	for in := bufio.NewScanner(file); in.Scan(); {
		if m := line.FindStringSubmatch(in.Text()); m != nil {
			if times[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"StartTime", "BaseTime"} {
		at, found := times[name]
		if !found || at*1000 < float64(before.UnixMilli())-0.5 || at*1000 > float64(after.UnixMilli())+0.5 {
			t.Errorf("%s is %.3f (%v), want between %.3f and %.3f", name, at, found, float64(before.UnixMilli())/1000, float64(after.UnixMilli())/1000)
		}
	}
	if n := loggedResponses(t, log); n != 120 {
		t.Errorf("the log holds %d response times, want 120", n)
	}
}
