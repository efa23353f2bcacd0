// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// M1: a new connection for each request.
func TestCaseNewConnections(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--keepalive=false"}, {"--header", "Connection: close"}} {
		s := serveCases(t)
		d := driveCase(t, append(args, "--url", s.url("/"), "--rate", "100/s", "--requests", "30")...)
		d.succeeded(t, 30)
		if seen := s.counts(); seen.requests != 30 || seen.connections < 30 || d.Connections.Opened != int64(seen.connections) {
			t.Errorf("%q: %d connections for %d requests, %d opened by the driver's count", args, seen.connections, seen.requests, d.Connections.Opened)
		}
	}
	s := serveCases(t)
	driveCase(t, "--url", s.url("/"), "--rate", "100/s", "--requests", "30", "--keepalive=false").succeeded(t, 30)
	if seen := s.counts(); seen.connections != 30 {
		t.Errorf("%d connections for 30 requests", seen.connections)
	}
}

// certificates are a private authority and what it signed.
type certificates struct {
	authority         *x509.Certificate
	key               *ecdsa.PrivateKey
	authorityFile     string
	server            tls.Certificate
	clientFile, owner string // certificate and key
}

func newCertificates(t *testing.T) certificates {
	t.Helper()
	c := certificates{}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	authority := c.sign(t, template)
	c.authority, c.key = authority.Leaf, authority.PrivateKey.(*ecdsa.PrivateKey)
	c.authorityFile, _ = pemFiles(t, authority)
	c.server = c.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	c.clientFile, c.owner = pemFiles(t, c.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "driver"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}))
	return c
}

// sign makes a certificate, the first one signed by itself.
func (c *certificates) sign(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := c.authority, c.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func pemFiles(t *testing.T, c tls.Certificate) (certificate, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return caseFile(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))),
		caseFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

// M2: a certificate of the driver's own, and an authority to trust.
func TestCaseClientCertificate(t *testing.T) {
	t.Parallel()
	c := newCertificates(t)
	var mu sync.Mutex
	subjects := map[string]int{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		subjects[r.TLS.PeerCertificates[0].Subject.CommonName]++
	}))
	pool := x509.NewCertPool()
	pool.AddCert(c.authority)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{c.server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	load := []string{"--url", server.URL, "--rate", "100/s", "--requests", "10", "--timeout", "5s"}
	both := []string{"--cacert", c.authorityFile, "--cert", c.clientFile, "--key", c.owner}

	driveCase(t, append(load, both...)...).succeeded(t, 10)
	driveCase(t, append(load, append(both, "--http1")...)...).succeeded(t, 10)
	driveCase(t, append(load, append(both, "--engine", "vegeta")...)...).succeeded(t, 10)
	mu.Lock()
	if subjects["driver"] != 30 || len(subjects) != 1 {
		t.Errorf("the server knows %v", subjects)
	}
	mu.Unlock()
	for want, args := range map[string][]string{
		"certificate signed by unknown authority": {"--cert", c.clientFile, "--key", c.owner},
		"certificate required":                    {"--cacert", c.authorityFile},
	} {
		for _, by := range [][]string{{"--http1"}, {"--http2"}, {"--keepalive=false"}} {
			d := driveCase(t, append(load, append(args, by...)...)...)
			d.consistent(t)
			if d.code != exitInconclusive || d.Failed != 10 || d.Errors["tls"] != 10 || !strings.Contains(d.ErrorTexts["tls"], want) {
				t.Errorf("%q: exit code %d, %v, want tls with %q: %q", by, d.code, d.Errors, want, d.ErrorTexts)
			}
		}
	}
	refused(t, "--cert and --key belong together", append(load, "--cert", c.clientFile)...)
	refused(t, "--cacert: ", append(load, "--cacert", "/nonexistent/x")...)
	refused(t, "hold none in PEM form", append(load, "--cacert", caseFile(t, "text", "no certificate"))...)
	refused(t, "certificate", append(load, "--cert", c.clientFile, "--key", c.clientFile)...)
}

// M3: a unix socket in place of a host.
func TestCaseUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "socket")
	s, err := newCaseServer("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.die)
	for _, engine := range []string{"", "vegeta"} {
		d := driveCase(t, "--unix-socket", path, "--url", "http://shop.example/a", "--rate", "100/s", "--requests", "10", "--engine", engine)
		d.succeeded(t, 10)
	}
	for _, r := range s.requests() {
		if r.Host != "shop.example" || r.URL.Path != "/a" {
			t.Errorf("%s %s", r.Host, r.URL)
		}
	}
	if got := s.counts().requests; got != 20 {
		t.Errorf("the server got %d requests, want 20", got)
	}
	d := driveCase(t, "--unix-socket", path+"x", "--url", "http://shop.example/", "--rate", "100/s", "--requests", "5")
	if d.code != exitInconclusive || d.Failed != 5 || !strings.Contains(d.stderr, "no such file") {
		t.Errorf("exit code %d, %v: %s", d.code, d.Errors, d.stderr)
	}
}

// M4: how large a body may be is a choice.
func TestCaseBodyLimit(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	const size = 70_000_000
	load := []string{"--url", s.url("/big/70000000"), "--rate", "10/s", "--requests", "2"}
	d := driveCase(t, append(load, "--max-body", "100MiB")...)
	d.succeeded(t, 2)
	if d.BytesIn != 2*size {
		t.Errorf("%d bytes in, want %d", d.BytesIn, 2*size)
	}
	d = driveCase(t, load...)
	d.usable(t)
	if d.Errors["body_too_large"] != 2 || d.Failed != 2 {
		t.Errorf("%v, %q", d.Errors, d.ErrorTexts)
	}
	for _, size := range []string{"0", "-1", "much", ""} {
		refused(t, "is not a size: write, for example, 64MiB", append(load, "--max-body", size)...)
	}
}

// M5: the protocol over TLS is a choice, and the summary says which it was.
func TestCaseProtocol(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	protocols := map[string]int{}
	count := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		protocols[r.Proto]++
	})
	server := httptest.NewUnstartedServer(count)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	load := []string{"--url", server.URL, "--insecure", "--rate", "100/s", "--requests", "10"}
	for _, test := range []struct {
		args []string
		seen string
		said string
	}{
		{nil, "HTTP/2.0", "HTTP/2 over TLS 1.3"},
		{[]string{"--http1"}, "HTTP/1.1", "HTTP/1.1 over TLS 1.3"},
		{[]string{"--http2"}, "HTTP/2.0", "HTTP/2 over TLS 1.3"},
		{[]string{"--http1", "--engine", "vegeta"}, "HTTP/1.1", "HTTP/1.1 over TLS 1.3"},
		{[]string{"--engine", "vegeta"}, "HTTP/2.0", "HTTP/2 over TLS 1.3"},
	} {
		clear(protocols)
		d := driveCase(t, append(load, test.args...)...)
		d.succeeded(t, 10)
		if protocols[test.seen] != 10 || len(protocols) != 1 || d.Protocol != test.said || !strings.Contains(d.text(), "Protocol   "+test.said+"; ") {
			t.Errorf("%q: the server saw %v, the driver says %q", test.args, protocols, d.Protocol)
		}
	}
	refused(t, "give --http1 or --http2, not both", append(load, "--http1", "--http2")...)
	plain := httptest.NewUnstartedServer(count)
	plain.Config.ErrorLog = quiet()
	plain.StartTLS()
	t.Cleanup(plain.Close)
	d := driveCase(t, "--url", plain.URL, "--insecure", "--http2", "--rate", "100/s", "--requests", "5")
	d.consistent(t)
	if d.code != exitInconclusive || d.Errors["protocol"] != 5 || !strings.Contains(d.ErrorTexts["protocol"], "the server does not speak HTTP/2") {
		t.Errorf("exit code %d, %v, %q", d.code, d.Errors, d.ErrorTexts)
	}
}

// M6: redirects are followed, each as a request of its own.
func TestCaseRedirects(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	load := []string{"--url", s.url("/redir"), "--rate", "50/s", "--duration", "1s", "--arrivals", "constant"}
	d := driveCase(t, load...)
	d.succeeded(t, 50)
	if d.Status["302"] != 50 || s.counts().requests != 50 {
		t.Errorf("not asked to, it follows: %v, %d requests", d.Status, s.counts().requests)
	}
	d = driveCase(t, append(load, "--redirects", "3")...)
	d.usable(t)
	// The last ones of the schedule may be led on when it is over.
	if d.Status["302"] != 50 || d.Status["200"] == 0 || d.Status["200"] > 50 || d.Sent != d.Status["302"]+d.Status["200"] || int64(s.counts().requests) != 50+d.Sent {
		t.Errorf("%v, %d sent, the server got %d", d.Status, d.Sent, s.counts().requests-50)
	}
	last := d.Endpoints[len(d.Endpoints)-1]
	if last.Name != "redirects" || last.Sent != d.Status["200"] || !strings.Contains(d.text(), "\nredirects ") {
		t.Errorf("%+v in:\n%s", d.Endpoints, d.text())
	}
	loop := answering(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	d = driveCase(t, "--url", loop, "--rate", "50/s", "--duration", "500ms", "--arrivals", "constant", "--redirects", "2")
	d.usable(t)
	if d.Failed == 0 || d.Errors["bad_redirect"] != d.Failed || !strings.Contains(d.ErrorTexts["bad_redirect"], "after 2 redirects in a row") {
		t.Errorf("%v, %q", d.Errors, d.ErrorTexts)
	}
}

// M8: rates of any unit.
func TestCaseRates(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	for rate, want := range map[string]float64{"360000/h": 100, "6000/m": 100, "100/1s": 100, "50/500ms": 100, "0.1/1ms": 100, "100/s": 100} {
		d := driveCase(t, "--url", s.url("/"), "--rate", rate, "--duration", "100ms", "--arrivals", "constant")
		d.succeeded(t, 10)
		if d.OfferedRPS != want {
			t.Errorf("%s offers %v a second, want %v", rate, d.OfferedRPS, want)
		}
	}
	for _, rate := range []string{"100", "100/", "100/0s", "0/s", "100/-1s", "100/d", "NaN/s", "1e400/s"} {
		refused(t, "--rate: ", "--url", s.url("/"), "--rate", rate)
	}
}

// M9: a number of requests in place of a duration.
func TestCaseRequests(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--rate", "500/s"},
		{"--rate", "500/s", "--arrivals", "constant"},
		{"--rate", "500/s", "--engine", "vegeta"},
		{"--rate", "max"},
		{"--rate", "max", "--connections", "3"},
		{"--rate", "max", "--connections", "3", "--engine", "vegeta"},
		{"--rate", "max", "--duration", "50s"},
	} {
		s := serveCases(t)
		d := driveCase(t, append(args, "--url", s.url("/"), "--requests", "123")...)
		d.succeeded(t, 123)
		if got := s.counts().requests; got != 123 || d.Sent != 123 {
			t.Errorf("%q: %d sent, the server got %d, want 123", args, d.Sent, got)
		}
	}
	// A warm-up's are not among them.
	s := serveCases(t)
	d := driveCase(t, "--url", s.url("/"), "--rate", "200/s", "--requests", "50", "--warmup", "250ms", "--arrivals", "constant")
	d.succeeded(t, 50)
	if got := s.counts().requests; got != 100 {
		t.Errorf("the server got %d requests, want 50 and 50 of the warm-up", got)
	}
}
