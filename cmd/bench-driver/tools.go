// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os/exec"
	"time"
)

// protocol is how requests are sent: over how many connections, and with how
// many in flight on each.
type protocol struct {
	part, name           string
	tls, http2           bool
	connections, streams int
}

var (
	plainHTTP1 = protocol{part: partPlain, name: "HTTP/1.1", connections: 64, streams: 1}
	tlsHTTP1   = protocol{part: partTLS, name: "HTTP/1.1 over TLS", tls: true, connections: 64, streams: 1}
	h2Apart    = protocol{part: partH2, name: "HTTP/2 over TLS, 64 connections of one stream", tls: true, http2: true, connections: 64, streams: 1}
	h2Shared   = protocol{part: partH2, name: "HTTP/2 over TLS, one connection of 64 streams", tls: true, http2: true, connections: 1, streams: 64}

	protocols = []protocol{plainHTTP1, tlsHTTP1, h2Apart, h2Shared}
)

// inFlight is how many requests are in flight at most.
func (p protocol) inFlight() int { return p.connections * p.streams }

// load is what a tool is asked to send.
type load struct {
	protocol
	url     string
	rps     int // 0: as fast as it goes
	poisson bool
	length  time.Duration
}

// tool is a load generator.
type tool struct {
	name    string // as the tables say it
	program string
	ours    bool // prints a record.Summary
	// args is the command line for a load, nil where the tool can't send it.
	args func(load) []string
	// stdin is what the tool reads, nil for nothing.
	stdin func(load) string
}

const (
	nameOurs       = "headroom"
	nameOursVegeta = "headroom --engine vegeta"
)

// tools lists those that there are, ours first.
func tools(headroom, vegeta string) []tool {
	return []tool{
		{name: nameOurs, program: headroom, ours: true, args: headroomArgs},
		{name: nameOursVegeta, program: headroom, ours: true, args: headroomVegetaArgs},
		{name: "vegeta", program: vegeta, args: vegetaArgs, stdin: func(l load) string { return "GET " + l.url + "\n" }},
		{name: "wrk", program: "wrk", args: wrkArgs},
		{name: "ab", program: "ab", args: abArgs},
		{name: "h2load", program: "h2load", args: h2loadArgs},
		{name: "hey", program: "hey", args: heyArgs},
	}
}

// installed parts the tools that are here from the names of the others.
func installed(all []tool) (here []tool, missing []string) {
	for _, t := range all {
		if _, err := exec.LookPath(t.program); err != nil {
			missing = append(missing, t.name)
			continue
		}
		here = append(here, t)
	}
	return here, missing
}

// able are the tools that can send the load.
func able(all []tool, l load) []tool {
	var some []tool
	for _, t := range all {
		if t.args(l) != nil {
			some = append(some, t)
		}
	}
	return some
}

func (l load) seconds() string { return fmt.Sprint(int(l.length.Seconds())) }

// headroomArgs: the machine is the benchmark's, so the driver need not wait.
func headroomArgs(l load) []string {
	rate := []string{"--rate", "max"}
	switch {
	case l.rps > 0 && l.poisson:
		rate = []string{"--rate", fmt.Sprintf("%d/s", l.rps), "--arrivals", "poisson"}
	case l.rps > 0:
		rate = []string{"--rate", fmt.Sprintf("%d/s", l.rps), "--arrivals", "constant"}
	}
	args := append([]string{"drive", "--beside", "--url", l.url}, rate...)
	args = append(args, "--connections", fmt.Sprint(l.connections))
	switch {
	case l.http2:
		args = append(args, "--insecure", "--http2", "--streams", fmt.Sprint(l.streams))
	case l.tls:
		args = append(args, "--insecure", "--http1")
	}
	return append(args, "--duration", l.length.String(), "--json")
}

// headroomVegetaArgs asks for vegeta's own engine. Its cost over vegeta is ours, and
// HTTP/1.1 as fast as it goes shows that cost.
func headroomVegetaArgs(l load) []string {
	if l.http2 || l.rps > 0 {
		return nil
	}
	return append(headroomArgs(l), "--engine", "vegeta")
}

// vegetaArgs: its HTTP/2 shares one connection among all requests.
func vegetaArgs(l load) []string {
	if l.http2 && l.connections > 1 {
		return nil
	}
	inFlight := fmt.Sprint(l.inFlight())
	args := []string{"attack", "-rate", fmt.Sprint(l.rps), "-connections", inFlight}
	if l.rps == 0 {
		args = append(args, "-max-workers", inFlight)
		if !l.http2 {
			args = append(args, "-max-connections", inFlight)
		}
	}
	if l.tls {
		args = append(args, "-insecure", fmt.Sprintf("-http2=%t", l.http2))
	}
	return append(args, "-max-body", "0", "-duration", l.length.String(), "-output", "/dev/null")
}

func wrkArgs(l load) []string {
	if l.http2 || l.rps > 0 {
		return nil
	}
	return []string{"-t1", fmt.Sprintf("-c%d", l.connections), "-d" + l.seconds() + "s", "--latency", l.url}
}

func abArgs(l load) []string {
	if l.http2 || l.rps > 0 {
		return nil
	}
	return []string{"-q", "-k", "-c", fmt.Sprint(l.connections), "-t", l.seconds(), "-n", "100000000", l.url}
}

// h2loadArgs: with HTTP/1.1 its -m would be the depth of a pipeline.
func h2loadArgs(l load) []string {
	if l.rps > 0 {
		return nil
	}
	how := "--h1"
	if l.http2 {
		how = fmt.Sprintf("-m%d", l.streams)
	}
	return []string{how, "-t1", fmt.Sprintf("-c%d", l.connections), "-D", l.seconds(), l.url}
}

// heyArgs: it accepts any certificate unasked, its rate is a worker's, and its
// HTTP/2 shares one connection among all workers.
func heyArgs(l load) []string {
	if l.http2 && l.connections > 1 {
		return nil
	}
	args := []string{"-c", fmt.Sprint(l.inFlight())}
	if l.rps > 0 {
		args = append(args, "-q", fmt.Sprintf("%g", float64(l.rps)/float64(l.inFlight())))
	}
	if l.http2 {
		args = append(args, "-h2")
	}
	return append(args, "-z", l.length.String(), l.url)
}
