// SPDX-License-Identifier: Apache-2.0

package spec

// EnvObserver is the environment variable that hands an observer its Observer as
// JSON.
const EnvObserver = "HEADROOM_OBSERVER"

// HostCgroupDir is where the cgroups of the engine's host are mounted in an
// observer, read-only.
const HostCgroupDir = "/host/cgroup"

// Observer lists the machines that an observer answers for: they run an image of the
// user's own, in which no agent can run. An observer listens at AgentPort and answers
// GET /ready with 200 at once. Below a machine's ObservedPath it answers as that
// machine's agent would.
type Observer struct {
	Nonce    string     `json:"nonce"`
	Machines []Observed `json:"machines"`
}

// Observed is one such machine.
type Observed struct {
	// Spec has one process, whose Address is the machine's host in the network.
	Spec        Spec   `json:"spec"`
	ContainerID string `json:"container_id"` // finds its cgroup
}

// ObservedPath is what stands before an agent's paths where an observer answers for
// a machine.
func ObservedPath(machine string) string { return "/machines/" + machine }
