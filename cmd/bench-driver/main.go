// Command bench-driver measures headroom's driver beside its peers: one run,
// one pinned core for whoever sends, the other for the target. It prints a
// table in Markdown; docs/driver.md holds the latest.
//
// Throughput has nginx as its target. Pacing has a recorder of its own, which
// notes when each request arrives: what a driver says of its own punctuality
// is compared with what its target saw.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const (
	connections = 64
	targetCore  = "0"
	driverCore  = "1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 2 && os.Args[1] == recorderArg {
		exitOn(recordArrivals(ctx, os.Stdout))
		return
	}
	headroom := flag.String("headroom", "bin/headroom", "the headroom command")
	vegeta := flag.String("vegeta", "bin/vegeta", "vegeta's command")
	rounds := flag.Int("rounds", 3, "of every tool, in turn; the median counts")
	length := flag.Duration("length", 8*time.Second, "of one measurement")
	flag.Parse()
	exitOn(bench(ctx, *headroom, *vegeta, *rounds, *length))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-driver:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, headroom, vegeta string, rounds int, length time.Duration) error {
	if runtime.NumCPU() < 2 {
		return errors.New("there is one core here: the driver and its target need one each")
	}
	for program, packageName := range map[string]string{"nginx": "nginx-light", "taskset": "util-linux"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not installed: apt-get install %s", program, packageName)
		}
	}
	dir, err := os.MkdirTemp("", "bench-driver-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all, missing := tools(headroom, vegeta)
	fmt.Printf("# The driver beside its peers\n\n%s, %d cores, Linux %s. %s\n\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), kernel(), cpuModel())
	if len(missing) > 0 {
		fmt.Printf("Not installed here, so not measured: %v.\n\n", missing)
	}
	if err := benchThroughput(ctx, dir, all, rounds, length); err != nil {
		return err
	}
	return benchPacing(ctx, dir, all, length)
}

// tool is a load generator and its command lines.
type tool struct {
	name string
	// max sends as fast as it goes over the connections, for the duration.
	max func(url string, d time.Duration) []string
	// paced sends at a constant rate, nil when the tool can't.
	paced func(url string, rps int, d time.Duration) []string
	// shell marks a command line for sh -c.
	shell bool
}

// tools lists those that are here, ours first, and the names of the others.
func tools(headroom, vegeta string) (here []tool, missing []string) {
	seconds := func(d time.Duration) string { return fmt.Sprint(int(d.Seconds())) }
	conns := fmt.Sprint(connections)
	all := []tool{
		{name: headroom, max: func(url string, d time.Duration) []string {
			return []string{"drive", "--url", url, "--rate", "max", "--connections", conns, "--duration", d.String(), "--json"}
		}, paced: func(url string, rps int, d time.Duration) []string {
			return []string{"drive", "--url", url, "--rate", fmt.Sprintf("%d/s", rps), "--arrivals", "constant", "--connections", conns, "--duration", d.String(), "--json"}
		}},
		{name: vegeta, shell: true, max: func(url string, d time.Duration) []string {
			return []string{fmt.Sprintf("echo GET %s | %s attack -rate 0 -max-workers %s -max-connections %s -max-body 0 -duration %s > /dev/null", url, vegeta, conns, conns, d)}
		}, paced: func(url string, rps int, d time.Duration) []string {
			return []string{fmt.Sprintf("echo GET %s | %s attack -rate %d -connections %s -max-body 0 -duration %s > /dev/null", url, vegeta, rps, conns, d)}
		}},
		{name: "wrk", max: func(url string, d time.Duration) []string {
			return []string{"-t1", "-c" + conns, "-d" + seconds(d) + "s", "--latency", url}
		}},
		{name: "ab", max: func(url string, d time.Duration) []string {
			return []string{"-q", "-k", "-c", conns, "-t", seconds(d), "-n", "100000000", url}
		}},
		{name: "h2load", max: func(url string, d time.Duration) []string {
			return []string{"--h1", "-t1", "-c" + conns, "-D", seconds(d), url}
		}},
		{name: "hey", max: func(url string, d time.Duration) []string {
			return []string{"-c", conns, "-z", d.String(), url}
		}, paced: func(url string, rps int, d time.Duration) []string {
			return []string{"-c", conns, "-q", fmt.Sprintf("%g", float64(rps)/connections), "-z", d.String(), url}
		}},
	}
	for _, t := range all {
		if _, err := exec.LookPath(t.name); err != nil {
			missing = append(missing, filepath.Base(t.name))
			continue
		}
		here = append(here, t)
	}
	return here, missing
}

// command is the tool's, pinned to the driver's core.
func (t tool) command(ctx context.Context, args []string) *exec.Cmd {
	line := append([]string{"-c", driverCore}, t.name)
	if t.shell {
		line = []string{"-c", driverCore, "sh", "-c"}
	}
	cmd := exec.CommandContext(ctx, "taskset", append(line, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// used is what a command used, its children included.
type used struct {
	cpu   time.Duration
	rssMB float64
}

// measure runs the tool to its end, which is at the latest a minute late.
func (t tool) measure(ctx context.Context, args []string, length time.Duration) (used, error) {
	ctx, cancel := context.WithTimeout(ctx, length+time.Minute)
	defer cancel()
	cmd := t.command(ctx, args)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return used{}, fmt.Errorf("%s: %w: %s", t.name, err, out)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return used{cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), rssMB: float64(usage.Maxrss) / 1024}, nil
}
