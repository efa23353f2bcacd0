// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// worldCommand is this test's binary as it runs in namespaces of its own: what
// a case needs of a computer is arranged there, its servers and the program run
// there, and what the program said comes back.
const worldCommand = "headroom-test-world"

// worlds are what worldCommand can be told to do.
var worlds = map[string]func() ([]worldRun, error){
	"few-ports": fewPorts, "localhost-v6": localhostV6, "moved-name": movedName,
}

// worldRun is one call of the program in a world.
type worldRun struct {
	Code           int
	Stdout, Stderr string
	Served         []int // requests that each server has got so far
}

// worldMain is worldCommand.
func worldMain() {
	runs, err := worlds[os.Args[1]]()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(runs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// inWorld runs a world in new namespaces of these kinds. It skips the test
// where that is not allowed.
func inWorld(t *testing.T, name string, namespaces uintptr) []worldRun {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may make the namespaces that this test needs")
	}
	ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, worldCommand, name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: namespaces}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	switch {
	case errors.Is(err, unix.EPERM), strings.Contains(complaint.String(), notAllowed):
		t.Skipf("this computer lets nobody make the namespaces that this test needs: %v %s", err, complaint.String())
	case err != nil:
		t.Fatalf("%v: %s", err, complaint.String())
	}
	var runs []worldRun
	if err := json.Unmarshal(out, &runs); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return runs
}

// notAllowed begins the complaint of a world that could not be arranged.
const notAllowed = "not allowed here: "

// call runs the program in a world.
func call(servers []*caseServer, args ...string) worldRun {
	ctx, cancel := context.WithTimeout(context.Background(), caseLimit)
	defer cancel()
	var out, complaint bytes.Buffer
	r := worldRun{Code: run(ctx, args, strings.NewReader(""), &out, &complaint)}
	r.Stdout, r.Stderr = out.String(), complaint.String()
	for _, s := range servers {
		r.Served = append(r.Served, s.counts().requests)
	}
	return r
}

// loopbackUp switches a new network namespace's loopback on.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// fewPorts is a computer with 100 local ports, none of which is used again
// before its time.
func fewPorts() ([]worldRun, error) {
	if err := loopbackUp(); err != nil {
		return nil, fmt.Errorf("%s%w", notAllowed, err)
	}
	for name, value := range map[string]string{"ip_local_port_range": "40000 40099", "tcp_tw_reuse": "0"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0o644); err != nil {
			return nil, fmt.Errorf("%s%w", notAllowed, err)
		}
	}
	s, err := newCaseServer("tcp", "127.0.0.1:18081")
	if err != nil {
		return nil, err
	}
	servers := []*caseServer{s}
	return []worldRun{
		call(servers, "drive", "--json", "--url", s.url("/closehold"), "--rate", "150/s", "--duration", "1s", "--arrivals", "constant", "--timeout", "2s"),
		call(servers, "drive", "--json", "--url", s.url("/"), "--rate", "50/s", "--duration", "200ms", "--arrivals", "constant"),
		call(servers, "capacity", "--json", "--url", s.url("/"), "--slo", "p99<50ms,errors<0.1%", "--max-time", "30s"),
	}, nil
}

// H7: no local port left is the driver's fault, by name.
func TestCaseFewPorts(t *testing.T) {
	t.Parallel()
	runs := inWorld(t, "few-ports", syscall.CLONE_NEWNET)
	const why = "found no free local port for their connection (net.ipv4.ip_local_port_range): that is this computer's limit, not the target's"
	d := readDriven(t, runs[0].Code, []byte(runs[0].Stdout), runs[0].Stderr)
	d.consistent(t)
	if d.code != exitInconclusive || d.Planned != 150 || d.Succeeded != 100 || d.Errors["no_local_port"] != 50 || d.Valid ||
		!strings.Contains(d.stderr, "50 requests "+why) || d.Driver.Limit != "local ports" {
		t.Errorf("exit code %d, %d succeeded, %v, limit %q: %s", d.code, d.Succeeded, d.Errors, d.Driver.Limit, d.stderr)
	}
	d = readDriven(t, runs[1].Code, []byte(runs[1].Stdout), runs[1].Stderr)
	d.consistent(t)
	if d.code != exitInconclusive || d.Errors["no_local_port"] != 10 || d.Valid || !strings.Contains(d.stderr, "no_local_port 10") {
		t.Errorf("exit code %d, %v: %s", d.code, d.Errors, d.stderr)
	}
	var report capacityReport
	if err := json.Unmarshal([]byte(runs[2].Stdout), &report); err != nil {
		t.Fatal(err)
	}
	if runs[2].Code != exitInconclusive || report.BelowMin || report.Capacity.Low != nil || report.DriverLimit != "local ports" ||
		!strings.Contains(runs[2].Stderr, "no capacity was found: the driver ran out of local ports: ") {
		t.Errorf("exit code %d: %s%s", runs[2].Code, runs[2].Stdout, runs[2].Stderr)
	}
}

// hosts makes a file of our own stand for /etc/hosts. It returns what writes it.
func hosts(text string) (write func(text string) error, err error) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "hosts")
	write = func(text string) error { return os.WriteFile(path, []byte(text), 0o644) }
	if err := write(text); err != nil {
		return nil, err
	}
	if err := unix.Mount(path, "/etc/hosts", "", unix.MS_BIND, ""); err != nil {
		return nil, fmt.Errorf("%s%w", notAllowed, err)
	}
	return write, nil
}

// localhostV6 is a computer whose localhost has two addresses, with a server on
// ::1 alone.
func localhostV6() ([]worldRun, error) {
	if _, err := hosts("127.0.0.1 localhost\n::1 localhost\n"); err != nil {
		return nil, err
	}
	s, err := newCaseServer("tcp", "[::1]:0")
	if err != nil {
		return nil, fmt.Errorf("%s%w", notAllowed, err)
	}
	url := "http://localhost:" + s.port() + "/"
	var runs []worldRun
	for _, more := range [][]string{nil, {"--keepalive=false"}, {"--engine", "vegeta"}} {
		runs = append(runs, call([]*caseServer{s}, append([]string{"drive", "--json", "--url", url, "--rate", "100/s", "--requests", "20"}, more...)...))
	}
	return runs, nil
}

// H10: of a name's addresses, the one that answers is used.
func TestCaseLocalhostOfTwoKinds(t *testing.T) {
	t.Parallel()
	for i, r := range inWorld(t, "localhost-v6", syscall.CLONE_NEWNS) {
		d := readDriven(t, r.Code, []byte(r.Stdout), r.Stderr)
		d.succeeded(t, 20)
		if r.Served[0] != 20*(i+1) {
			t.Errorf("the server got %d requests, want %d", r.Served[0], 20*(i+1))
		}
	}
}

// movedName is a computer where two names move to another address while the
// program runs. The first one's server at the old address ends then; the second
// one's stays, and only who looks the name up again learns of the new one.
func movedName() ([]worldRun, error) {
	write, err := hosts("127.0.0.2 ended.test left.test\n")
	if err != nil {
		return nil, err
	}
	ended, err := twoServers()
	if err != nil {
		return nil, err
	}
	left, err := twoServers()
	if err != nil {
		return nil, err
	}
	moved := make(chan error, 1)
	go func() {
		// A load that does not come is told by the counts, not by a hang.
		for tries := 0; tries < 20_000 && (ended[0].counts().requests < 50 || left[0].counts().requests < 50); tries++ {
			time.Sleep(time.Millisecond)
		}
		moved <- write("127.0.0.3 ended.test left.test # have moved\n")
		ended[0].die()
	}()
	// Go reads the file again when it has known it for 5 s.
	load := []string{"drive", "--json", "--rate", "100/s", "--duration", "9s", "--arrivals", "constant", "--url"}
	runs := make([]worldRun, 2)
	var wg sync.WaitGroup
	wg.Go(func() { runs[0] = call(ended, append(slices.Clone(load), "http://ended.test:"+ended[0].port()+"/")...) })
	wg.Go(func() {
		runs[1] = call(left, append(slices.Clone(load), "http://left.test:"+left[0].port()+"/", "--resolve-every", "1s")...)
	})
	wg.Wait()
	select {
	case err = <-moved:
	default:
		err = errors.New("the servers never got 50 requests each")
	}
	return runs, err
}

// twoServers are servers at one port of two addresses.
func twoServers() ([]*caseServer, error) {
	one, err := newCaseServer("tcp", "127.0.0.2:0")
	if err != nil {
		return nil, err
	}
	other, err := newCaseServer("tcp", "127.0.0.3:"+one.port())
	return []*caseServer{one, other}, err
}

// H24: a name that moves in mid-run is found again, once connecting fails or as
// often as it is asked for.
func TestCaseMovedName(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 9 s, as a name is looked up anew after 5: skipped by -short")
	}
	t.Parallel()
	runs := inWorld(t, "moved-name", syscall.CLONE_NEWNS)
	r := runs[0]
	d := readDriven(t, r.Code, []byte(r.Stdout), r.Stderr)
	d.usable(t)
	if d.Planned != 900 || r.Served[1] == 0 || d.Succeeded < int64(r.Served[1]) || d.Failed != d.Errors["refused"]+d.Errors["reset"] {
		t.Errorf("%d planned, %d succeeded, %v; the servers got %v", d.Planned, d.Succeeded, d.Errors, r.Served)
	}
	r = runs[1]
	d = readDriven(t, r.Code, []byte(r.Stdout), r.Stderr)
	d.succeeded(t, 900)
	if r.Served[1] == 0 || r.Served[0]+r.Served[1] != 900 {
		t.Errorf("the servers got %v", r.Served)
	}
}
