// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"text/template"
	"time"
)

// nginxConfig serves one small file from memory on one worker, over each
// protocol on a port of its own: no tool can end up with another than it was
// asked for. The cipher is given, or each tool would bring its own.
var nginxConfig = template.Must(template.New("nginx.conf").Parse(`daemon off;
worker_processes 1;
pid {{.Dir}}/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_requests 1000000000;
	keepalive_time 24h;
	client_body_temp_path {{.Dir}}; proxy_temp_path {{.Dir}}; fastcgi_temp_path {{.Dir}}; uwsgi_temp_path {{.Dir}}; scgi_temp_path {{.Dir}};
	ssl_certificate {{.Cert}};
	ssl_certificate_key {{.Key}};
	ssl_protocols TLSv1.3;
	ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
	server {
		listen 127.0.0.1:{{.Plain}};
		location = /served { stub_status; }
		location / { return 200 "hello\n"; }
	}
	server {
		listen 127.0.0.1:{{.TLS}} ssl;
		location / { return 200 "hello\n"; }
	}
	server {
		listen 127.0.0.1:{{.H2}} ssl{{if .H2ByListen}} http2;{{else}};
		http2 on;{{end}}
		http2_max_concurrent_streams 256;
		location / { return 200 "hello\n"; }
	}
}
`))

// nginxSetting is what the configuration leaves open.
type nginxSetting struct {
	Dir, Cert, Key string
	Plain, TLS, H2 int
	// H2ByListen says that this nginx takes HTTP/2 as a word of listen.
	H2ByListen bool
}

// nginx is the target of the throughput benchmark.
type nginx struct {
	plain, tls, h2 string // URLs
	stop           func()
}

func (n nginx) url(p protocol) string {
	switch {
	case p.http2:
		return n.h2
	case p.tls:
		return n.tls
	}
	return n.plain
}

// startNginx starts it on the target's core.
func startNginx(ctx context.Context, dir string) (nginx, error) {
	config, setting := filepath.Join(dir, "nginx.conf"), nginxSetting{Dir: dir, Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	version, err := exec.CommandContext(ctx, "nginx", "-v").CombinedOutput()
	if err != nil {
		return nginx{}, fmt.Errorf("nginx -v: %w: %s", err, version)
	}
	if setting.H2ByListen, err = http2ByListen(string(version)); err != nil {
		return nginx{}, err
	}
	cert, key, err := selfSigned()
	if err != nil {
		return nginx{}, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nginx{}, err
	}
	setting.Plain, setting.TLS, setting.H2 = ports[0], ports[1], ports[2]
	var text bytes.Buffer
	if err := errors.Join(nginxConfig.Execute(&text, setting), os.WriteFile(config, text.Bytes(), 0o600),
		os.WriteFile(setting.Cert, cert, 0o600), os.WriteFile(setting.Key, key, 0o600)); err != nil {
		return nginx{}, err
	}
	cmd := exec.CommandContext(ctx, "taskset", "-c", targetCore, "nginx", "-p", dir, "-c", config)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return nginx{}, err
	}
	n := nginx{stop: func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}}
	n.plain, n.tls, n.h2 = fmt.Sprintf("http://127.0.0.1:%d/", setting.Plain), fmt.Sprintf("https://127.0.0.1:%d/", setting.TLS), fmt.Sprintf("https://127.0.0.1:%d/", setting.H2)
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err = n.served(); err == nil {
			return n, nil
		}
		if time.Now().After(deadline) {
			n.stop()
			return nginx{}, fmt.Errorf("nginx does not answer: %w", err)
		}
	}
}

// http2ByListen reads "nginx version: nginx/1.22.1": from 1.25.1 on HTTP/2 is a
// directive of its own.
func http2ByListen(version string) (bool, error) {
	number := [3]int{}
	if _, err := fmt.Sscanf(version, "nginx version: nginx/%d.%d.%d", &number[0], &number[1], &number[2]); err != nil {
		return false, fmt.Errorf("nginx -v says %q, which is not the version of an nginx: %w", version, err)
	}
	return slices.Compare(number[:], []int{1, 25, 1}) < 0, nil
}

// freePorts finds ports on which nothing listens.
func freePorts(n int) (ports []int, err error) {
	for range n {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // after the last is found, so that all differ
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// selfSigned makes a certificate for this host and its key, both as PEM.
func selfSigned() (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	form := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench-driver"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certDER, err := x509.CreateCertificate(rand.Reader, &form, &form, &private.PublicKey, private)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certDER}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), nil
}

// serverTLS is the same for a server in this program.
func serverTLS(alpn string) (*tls.Config, error) {
	cert, key, err := selfSigned()
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13, NextProtos: []string{alpn}}, nil
}

// served is how many requests nginx has answered, over all protocols: nginx counts for
// every tool, and no tool for itself.
func (n nginx) served() (int64, error) {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(n.plain + "served")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(io.LimitReader(response.Body, 4096))
	for lines.Scan() {
		var accepts, handled, requests int64
		if n, _ := fmt.Sscan(lines.Text(), &accepts, &handled, &requests); n == 3 {
			return requests, nil
		}
	}
	return 0, errors.New("nginx's status has no counts")
}
