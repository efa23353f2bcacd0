package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// recorderArg starts this program as the target that records arrivals.
const recorderArg = "record-arrivals"

// recordArrivals is a target that answers at once and notes when each request
// arrived. On end of stdin it writes the moments, in ns, one a line. It prints
// its address first.
func recordArrivals(ctx context.Context, out io.Writer) error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	fmt.Fprintln(out, listener.Addr())
	began := time.Now()
	arrivals := make(chan []int64, 1<<16)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { arrivals <- answer(c, began) }()
		}
	}()
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	_ = listener.Close()
	// The tool has ended, so its connections have: what takes longer is lost.
	var all []int64
	for quiet := time.NewTimer(time.Second); ; {
		select {
		case some := <-arrivals:
			all = append(all, some...)
			continue
		case <-ctx.Done():
			return ctx.Err()
		case <-quiet.C:
		}
		break
	}
	w := bufio.NewWriter(out)
	for _, at := range all {
		fmt.Fprintln(w, at)
	}
	return w.Flush()
}

// answer serves one connection and returns when its requests arrived.
func answer(c net.Conn, began time.Time) (arrived []int64) {
	defer c.Close()
	buffer := make([]byte, 4096)
	response := []byte("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return arrived
		}
		at := int64(time.Since(began))
		for range strings.Count(string(buffer[:n]), "\r\n\r\n") {
			arrived = append(arrived, at)
			if _, err := c.Write(response); err != nil {
				return arrived
			}
		}
	}
}

// minArrived is the share of arrivals below which there is no grid to speak of.
const minArrived = 0.98

// pacing is how far arrivals were from an even grid, as their target saw it.
type pacing struct {
	arrived  int
	p50, p99 time.Duration
	own      string // what the tool says of itself
}

func benchPacing(ctx context.Context, dir string, all []tool, length time.Duration) error {
	fmt.Printf("## Pacing\n\nConstant arrivals for %v. The error is the distance of an arrival, as the target's clock saw it, from an even grid laid through all arrivals; the network and the target's wake-up are part of it. The driver's own figure is its send lag.\n\n", length)
	fmt.Println("| tool | requests/s | arrived | error p50, ms | error p99, ms | own send lag p50 / p99, ms |\n|---|---:|---:|---:|---:|---:|")
	for _, rps := range []int{1000, 5000, 10000} {
		for _, t := range all {
			if t.paced == nil {
				continue
			}
			fmt.Fprintf(os.Stderr, "%s at %d/s\n", t.name, rps)
			p, err := measurePacing(ctx, dir, t, rps, length)
			if err != nil {
				return err
			}
			arrived := float64(p.arrived) / (float64(rps) * length.Seconds())
			errors := fmt.Sprintf("%.3f | %.3f", p.p50.Seconds()*1e3, p.p99.Seconds()*1e3)
			if arrived < minArrived {
				errors = "no grid | no grid"
			}
			fmt.Printf("| %s | %d | %.1f%% | %s | %s |\n", name(t), rps, 100*arrived, errors, p.own)
		}
	}
	return nil
}

func measurePacing(ctx context.Context, dir string, t tool, rps int, length time.Duration) (pacing, error) {
	self, err := os.Executable()
	if err != nil {
		return pacing{}, err
	}
	recorder := exec.CommandContext(ctx, "taskset", "-c", targetCore, self, recorderArg)
	recorder.Stderr = os.Stderr
	recorder.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := recorder.StdinPipe()
	if err != nil {
		return pacing{}, err
	}
	stdout, err := recorder.StdoutPipe()
	if err != nil {
		return pacing{}, err
	}
	if err := recorder.Start(); err != nil {
		return pacing{}, err
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		return pacing{}, errors.Join(errors.New("the recorder did not start"), recorder.Wait())
	}
	toolErr := runPaced(ctx, dir, t, "http://"+lines.Text()+"/", rps, length)
	_ = stdin.Close()
	var arrivals []int64
	for lines.Scan() {
		at, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			return pacing{}, err
		}
		arrivals = append(arrivals, at)
	}
	if err := errors.Join(toolErr, lines.Err(), recorder.Wait()); err != nil {
		return pacing{}, err
	}
	p := distances(arrivals, rps)
	p.own = ownLag(dir, t)
	return p, nil
}

// ownOutput is where a tool's output goes while it paces.
func ownOutput(dir string) string { return filepath.Join(dir, "paced.json") }

func runPaced(ctx context.Context, dir string, t tool, url string, rps int, length time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, length+time.Minute)
	defer cancel()
	out, err := os.Create(ownOutput(dir))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := t.command(ctx, t.paced(url, rps, length))
	cmd.Stdout = out
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", t.name, err, stderr.String())
	}
	return nil
}

// ownLag is what our driver says of itself; the others say nothing.
func ownLag(dir string, t tool) string {
	data, err := os.ReadFile(ownOutput(dir))
	var summary struct {
		Lag struct{ P50, P99 float64 } `json:"send_lag_us"`
	}
	if err != nil || json.Unmarshal(data, &summary) != nil || summary.Lag.P99 == 0 {
		return "–"
	}
	return fmt.Sprintf("%.3f / %.3f", summary.Lag.P50/1e3, summary.Lag.P99/1e3)
}

// distances lays an even grid through the arrivals, by the median of their
// offsets, and returns how far from it they are.
func distances(arrivals []int64, rps int) pacing {
	if len(arrivals) == 0 {
		return pacing{}
	}
	slices.Sort(arrivals)
	gap := float64(time.Second) / float64(rps)
	offsets := make([]float64, len(arrivals))
	for k, at := range arrivals {
		offsets[k] = float64(at) - float64(k)*gap
	}
	middle := median(offsets)
	apart := make([]time.Duration, len(offsets))
	for k, offset := range offsets {
		apart[k] = time.Duration(max(offset-middle, middle-offset))
	}
	slices.Sort(apart)
	at := func(q float64) time.Duration { return apart[int(q*float64(len(apart)-1))] }
	return pacing{arrived: len(arrivals), p50: at(0.5), p99: at(0.99)}
}
