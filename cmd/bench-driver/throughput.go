package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// nginxConfig serves one small file from memory on one worker.
const nginxConfig = `daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	server {
		listen 127.0.0.1:%[2]d;
		location = /served { stub_status; }
		location / { return 200 "hello\n"; }
	}
}
`

const nginxPort = 18089

// startNginx starts a target on the target's core.
func startNginx(ctx context.Context, dir string) (url string, stop func(), err error) {
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, nginxPort), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, "taskset", "-c", targetCore, "nginx", "-p", dir, "-c", config)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	url = fmt.Sprintf("http://127.0.0.1:%d/", nginxPort)
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err = served(url); err == nil {
			return url, stop, nil
		}
		if time.Now().After(deadline) {
			stop()
			return "", nil, fmt.Errorf("nginx does not answer: %w", err)
		}
	}
}

// served is how many requests nginx has answered: every tool is counted by the
// same clerk, and not by itself.
func served(url string) (int64, error) {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url + "served")
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
	return 0, fmt.Errorf("nginx's status has no counts")
}

// throughput is one tool's results.
type throughput struct {
	tool          tool
	perSecond     []float64
	cpuPerMillion []float64
	rssMB         float64
}

func benchThroughput(ctx context.Context, dir string, all []tool, rounds int, length time.Duration) error {
	url, stop, err := startNginx(ctx, dir)
	if err != nil {
		return err
	}
	defer stop()
	results := make([]throughput, len(all))
	for round := range rounds {
		for i, t := range all {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s as fast as it goes\n", round+1, rounds, t.name)
			if err := results[i].add(ctx, t, url, length); err != nil {
				return err
			}
		}
	}
	printThroughput(results, rounds, length)
	return nil
}

func (r *throughput) add(ctx context.Context, t tool, url string, length time.Duration) error {
	before, err := served(url)
	if err != nil {
		return err
	}
	use, err := t.measure(ctx, t.max(url, length), length)
	if err != nil {
		return err
	}
	after, err := served(url)
	if err != nil {
		return err
	}
	requests := float64(after - before)
	r.tool = t
	r.perSecond = append(r.perSecond, requests/length.Seconds())
	r.cpuPerMillion = append(r.cpuPerMillion, use.cpu.Seconds()/requests*1e6)
	r.rssMB = max(r.rssMB, use.rssMB)
	return nil
}

func printThroughput(results []throughput, rounds int, length time.Duration) {
	fmt.Printf("## As fast as it goes\n\nOne core for the driver, the other for nginx (one worker, a response of 6 bytes); %d connections kept alive; median of %d rounds of %v, the tools in turn. Requests are counted by nginx.\n\n", connections, rounds, length)
	fmt.Println("| tool | requests/s | range | ours / it | CPU s per million requests | peak memory, MB |\n|---|---:|---:|---:|---:|---:|")
	ours := median(results[0].perSecond)
	for _, r := range results {
		fmt.Printf("| %s | %.0f | %.0f-%.0f | %.2f | %.1f | %.0f |\n", name(r.tool), median(r.perSecond),
			slices.Min(r.perSecond), slices.Max(r.perSecond), ours/median(r.perSecond), median(r.cpuPerMillion), r.rssMB)
	}
	fmt.Println()
}

func name(t tool) string { return filepath.Base(t.name) }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func kernel() string {
	var u syscall.Utsname
	if err := syscall.Uname(&u); err != nil {
		return "unknown"
	}
	var text strings.Builder
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		text.WriteByte(byte(c))
	}
	return text.String()
}

func cpuModel() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value) + "."
		}
	}
	return ""
}
