// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"fmt"
	"strings"

	"headroom/scenarios"
)

func ExampleParseSLO() {
	slo, err := scenarios.ParseSLO("p99<250ms, GET /api/feed p95<400ms, errors<0.1%, stale<1%")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, condition := range slo.Conditions {
		fmt.Println(condition)
	}
	_, err = scenarios.ParseSLO("p99<250")
	fmt.Println(err)
	// Output:
	// p99<250ms
	// GET /api/feed p95<400ms
	// errors<0.1%
	// stale<1%
	// SLO "p99<250": "250" is not a time with a unit, for example p99<250ms,errors<0.1%
}

// web is a kind of process with one setting.
var web = scenarios.Kind{
	Name: "web", Port: 8000,
	Facts:    scenarios.Facts{Label: "a web server", About: "answers for pages", Keeps: scenarios.KeepsNothing, Ports: 1},
	Settings: []scenarios.SettingSpec{scenarios.Int("workers", 4, 1, 32, "how many answer at once").SettingSpec},
}

const larger = `name: larger
title: A larger server
question: What does a larger server buy?
slo: p99<250ms
load:
  keys: {page: uniform of 100}
  mix:
    - {request: "GET /pages/{page}", weight: 90%, object: "page {page}", version: etag}
    - {request: "PUT /pages/{page}", weight: 10%, object: "page {page}", version: etag}
before: {label: small, entry: server/web, machines: {server: {size: small, processes: {web: {workers: 4}}}}}
after: {label: large, entry: server/web, machines: {server: {size: large, processes: {web: {workers: 16}}}}}
`

func ExampleParse() {
	kinds := []scenarios.Kind{web}
	s, err := scenarios.Parse("larger.yaml", []byte(larger), kinds)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range scenarios.Variants() {
		t := s.Topology(v)
		fmt.Printf("%s: %s, %v vCPU\n", v, t.Label, t.VCPUs())
	}
	_, err = scenarios.Parse("larger.yaml", []byte(strings.Replace(larger, "workers: 16", "workers: 160", 1)), kinds)
	fmt.Println(err)
	// Output:
	// before: small, 2 vCPU
	// after: large, 4 vCPU
	// larger.yaml:11: after.machines.server.processes.web.workers: 160 is out of range: at least 1 and at most 32
}
