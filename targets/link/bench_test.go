// SPDX-License-Identifier: Apache-2.0

package link

import (
	"context"
	"io"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkRelayedRoundTrip is what a request and its answer of 1 KB each cost
// the link: two chunks, their reads, waits and writes, and the sockets' own work
// of both ends, which stand in the same process. ns/op is time; cpu-ns/op is
// the CPU time of the process. Few connections pay for waking the process each
// time; a hundred with a distance are what a busy link has.
func BenchmarkRelayedRoundTrip(b *testing.B) {
	for _, bench := range []struct {
		name        string
		connections int
		config      Config
	}{
		{"direct, few", 2, Config{}},
		{"relayed, few", 2, Config{Bandwidth: 1 << 30}},
		{"delayed 1 ms, few", 2, Config{Bandwidth: 1 << 30, Delay: time.Millisecond}},
		{"direct, 100", 100, Config{}},
		{"relayed, 100", 100, Config{Bandwidth: 1 << 30}},
		{"delayed 20 ms, 100", 100, Config{Bandwidth: 1 << 30, Delay: 20 * time.Millisecond}},
	} {
		b.Run(bench.name, func(b *testing.B) { benchmarkRoundTrip(b, bench.config, bench.connections) })
	}
}

func benchmarkRoundTrip(b *testing.B, config Config, connections int) {
	listen := func() *net.TCPListener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { listener.Close() })
		return listener.(*net.TCPListener)
	}
	server := listen()
	go func() {
		for {
			conn, err := server.AcceptTCP()
			if err != nil {
				return
			}
			go echo(conn)
		}
	}()
	address := server.Addr().String()
	if config.Bandwidth > 0 {
		config.To = address
		near := listen()
		ctx, cancel := context.WithCancel(context.Background())
		r := newRelay(config, slog.New(slog.NewJSONHandler(io.Discard, nil)))
		go func() { _ = r.accept(ctx, near) }()
		b.Cleanup(func() {
			cancel()
			near.Close()
			r.inUse.Wait()
		})
		address = near.Addr().String()
	}
	b.SetParallelism(max(1, connections/runtime.GOMAXPROCS(0)))
	before := processTime(b)
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		for message := make([]byte, 1024); pb.Next(); {
			if _, err := conn.Write(message); err != nil {
				b.Error(err)
				return
			}
			if _, err := io.ReadFull(conn, message); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(processTime(b)-before)/float64(b.N), "cpu-ns/op")
}

func processTime(b *testing.B) time.Duration {
	b.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &now); err != nil {
		b.Fatal(err)
	}
	return time.Duration(now.Nano())
}
