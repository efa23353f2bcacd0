// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/testcontainers/testcontainers-go"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

const (
	// observerName is the machine's name in the Death of a system whose observer has
	// ended. The host of a machine begins with its variant, so no machine has the
	// observer's host.
	observerName = "observer"
	// observerCPUs is the observer's quota. It is no machine of the system: nobody
	// pays for it, and it must not take from those who are measured.
	observerCPUs = 0.25
	// hostCgroups is where the engine's host has its cgroups.
	hostCgroups = "/sys/fs/cgroup"
)

// observer is a container of the machine image, beside a system with machines that
// run images of the user's own. No agent can be in those: the observer asks them in
// the network, reads their cgroups, and answers in place of their agents.
type observer struct {
	machines []string           // whom it answers for
	made     chan spec.Observed // gets each as its container is made
	answers  chan struct{}      // closed when the observer answers
	url      string             // known then
	cgroups  string             // the folder of the engine's host that has them
}

// newObserver is what a topology needs, nil where all machines have agents.
func newObserver(t scenarios.Topology) *observer {
	var machines []string
	for _, m := range t.Machines {
		if _, foreign := m.Foreign(); foreign {
			machines = append(machines, m.Name)
		}
	}
	if len(machines) == 0 {
		return nil
	}
	return &observer{machines: machines, made: make(chan spec.Observed, len(machines)), answers: make(chan struct{}), cgroups: hostCgroups}
}

// observe starts the observer once all that it answers for is made, and returns when
// the observer answers.
func (sys *System) observe(ctx context.Context) error {
	o, told := sys.observer, spec.Observer{Nonce: sys.nonce}
	for range o.machines {
		select {
		case m := <-o.made:
			told.Machines = append(told.Machines, m)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	slices.SortFunc(told.Machines, func(a, b spec.Observed) int { return cmp.Compare(a.Spec.Machine, b.Spec.Machine) })
	made, err := sys.runObserver(ctx, told)
	if err != nil {
		return fmt.Errorf("observer of %s: %w", strings.Join(o.machines, ", "), err)
	}
	go sys.follow(observerName, made.GetContainerID())
	if o.url, err = sys.waitReady(ctx, sys.agentIn(made)); err != nil {
		return fmt.Errorf("observer of %s: %w", strings.Join(o.machines, ", "), err)
	}
	close(o.answers)
	return nil
}

// runObserver starts the observer's container, without the host's cgroups where the
// engine does not show them.
func (sys *System) runObserver(ctx context.Context, told spec.Observer) (testcontainers.Container, error) {
	encoded, err := json.Marshal(told)
	if err != nil {
		return nil, err
	}
	quota, err := quotaFor(observerCPUs, sys.stage.options.Period)
	if err != nil {
		return nil, err
	}
	c := containerSpec{
		name:       observerName + "-" + sys.label(),
		host:       observerName + "-" + string(sys.request.Variant),
		instance:   sys.label(),
		entrypoint: []string{"headroom", "observer"},
		env:        map[string]string{spec.EnvObserver: string(encoded)},
		mounts:     []mount.Mount{{Type: mount.TypeBind, Source: sys.observer.cgroups, Target: spec.HostCgroupDir, ReadOnly: true}},
		cpu:        quota,
	}
	made, refused := sys.stage.run(ctx, c)
	if refused == nil || ctx.Err() != nil || !sys.observer.refusesCgroups(refused) {
		return made, refused
	}
	c.mounts = nil
	if made, err = sys.stage.run(ctx, c); err != nil {
		return nil, errors.Join(refused, err)
	}
	sys.stage.progress("warning: the engine does not show its cgroups (%v): the OOM kills of %s are not known, and the engine itself is asked for CPU and memory", refused, strings.Join(sys.observer.machines, ", "))
	return made, nil
}

// refusesCgroups says whether the engine refused to mount the cgroups. A message of
// the kernel names files below the folder, and is about no mount.
func (o *observer) refusesCgroups(refused error) bool {
	text := strings.ToLower(refused.Error())
	if strings.Contains(text, spec.HostCgroupDir) {
		return true
	}
	says := func(word string) bool { return strings.Contains(text, word) }
	return says(strings.ToLower(o.cgroups)) && slices.ContainsFunc([]string{"mount", "bind", "statfs"}, says)
}

// slowRemedy is what helps when a service is not ready in time.
func slowRemedy(service scenarios.Service) string {
	remedy := "; if the program starts slowly, give it longer (ready: {within: ...})"
	if service.Limits == scenarios.LimitsFromStart {
		remedy += ", or its CPU quota later (limits: ready)"
	}
	return remedy
}

// agentOf is the agent that tells whether a machine is ready. The observer has to
// answer before the machines that it observes start.
func (sys *System) agentOf(ctx context.Context, made testcontainers.Container, m scenarios.Machine) (agent, error) {
	p, foreign := m.Foreign()
	if !foreign {
		return sys.agentIn(made), nil
	}
	select {
	case <-sys.observer.answers:
	case <-ctx.Done():
		return agent{}, ctx.Err()
	}
	url := sys.observer.url + spec.ObservedPath(m.Name)
	remedy := slowRemedy(*p.Service)
	if sys.request.Variant == seedVariant {
		remedy += spec.EmptyRemedy(p.Service)
	}
	return agent{
		id: made.GetContainerID(), within: cmp.Or(p.Service.Ready.Within, sys.request.Timeout()), remedy: remedy,
		url: func(context.Context) (string, error) { return url, nil },
	}, nil
}

// runOwnImage has a machine's container run the user's image, as the machine's only
// process says.
func (sys *System) runOwnImage(c *containerSpec, service scenarios.Service, m scenarios.Machine, i int) {
	c.image = sys.stage.imageOf(service)
	c.command = service.Command
	c.env = service.Env
	for _, f := range service.Files {
		c.files = append(c.files, fileIn(f.Path, f))
	}
	if quotaFromStart(m) {
		c.cpu = sys.quotas[i]
	}
}

// quotaFromStart says whether the machine has its quota when it starts. A program
// that sizes itself by the CPUs that it sees has to see the quota.
func quotaFromStart(m scenarios.Machine) bool {
	p, foreign := m.Foreign()
	return foreign && p.Service.Limits == scenarios.LimitsFromStart
}
