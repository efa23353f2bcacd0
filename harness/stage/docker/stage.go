// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"headroom/harness/record"
	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

const (
	networkTimeout = 30 * time.Second
	maxVersions    = 1 << 20 // bytes of the image's list of packages
)

// Options are what a stage needs to know of its run.
type Options struct {
	RunID          string        // unique; letters, digits, "_", "." and "-", at most 60
	Image          string        // tag of the machine image, already built
	DatasetVersion string        // changes whenever the same command makes other files
	ReaperCommand  []string      // nil: this program's `reap`; the run's id is appended
	Progress       io.Writer     // a line an event, for people; nil discards
	UnitCPUs       float64       // one vCPU of a topology is this many CPUs here
	Period         time.Duration // of the machines' CPU quotas
}

var validRunID = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,59}$`)

// Stage is one run's place on a Docker engine. Its methods may be called from
// several goroutines.
type Stage struct {
	options  Options
	cli      *client.Client
	provider *testcontainers.DockerProvider
	owner    child.Owner
	network  string
	reaper   *reaper
	driver   *driver // nil before StartDriver

	mu       sync.Mutex // guards what follows, and Progress
	running  map[scenarios.Variant]*System
	datasets map[string]bool     // by key: those that were made
	images   map[string]ownImage // by tag: those of the user's own that are there

	closeOnce sync.Once
	closeErr  error
}

// Open prepares the engine for a run: it removes what dead owners left, starts
// the reaper and makes the run's network. The caller closes the stage. The
// error is an ErrUnavailable when there is no engine to talk to.
func Open(ctx context.Context, options Options) (*Stage, error) {
	if !validRunID.MatchString(options.RunID) {
		return nil, fmt.Errorf("run id %q: want letters, digits, \"_\", \".\" and \"-\", at most 60", options.RunID)
	}
	if options.Progress == nil {
		options.Progress = io.Discard
	}
	cli, err := Connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &Stage{
		options:  options,
		cli:      cli,
		owner:    child.CurrentOwner(),
		network:  "headroom-" + options.RunID,
		running:  map[scenarios.Variant]*System{},
		datasets: map[string]bool{},
		images:   map[string]ownImage{},
	}
	if err := s.open(ctx); err != nil {
		_ = cli.Close()
		return nil, err
	}
	return s, nil
}

func (s *Stage) open(ctx context.Context) error {
	if err := checkLocal(s.cli.DaemonHost()); err != nil {
		return err
	}
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return unavailable(err)
	}
	provider.SetClient(s.cli)
	s.provider = provider
	if _, err := s.cli.ImageInspect(ctx, s.options.Image); errdefs.IsNotFound(err) {
		return fmt.Errorf("image %s is not there: build it with `headroom image`", s.options.Image)
	} else if err != nil {
		return fmt.Errorf("inspect image %s: %w", s.options.Image, err)
	}
	removed, err := Sweep(ctx, s.cli, false)
	for _, thing := range removed {
		s.progress("removed %s, left by a run that is dead", thing)
	}
	if err != nil {
		s.progress("warning: %v; `headroom clean` tries again", err)
	}
	if err := s.checkUnused(ctx); err != nil {
		return err
	}
	if s.reaper, err = startReaper(s.options.ReaperCommand, s.options.RunID); err != nil {
		return err
	}
	if err := s.createNetwork(ctx); err != nil {
		return errors.Join(err, s.Close(ctx))
	}
	return nil
}

// checkUnused refuses a run id that another run uses: both would remove each
// other's containers.
func (s *Stage) checkUnused(ctx context.Context) error {
	filters := labelled(labelRun, s.options.RunID)
	networks, err := s.cli.NetworkList(ctx, client.NetworkListOptions{Filters: filters})
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	for _, n := range networks.Items {
		return fmt.Errorf("run id %s is in use by process %s: wait for its end, or choose another id", s.options.RunID, n.Labels[labelPID])
	}
	return nil
}

// createNetwork is not cancelled with ctx, for the reason that create is not.
func (s *Stage) createNetwork(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), networkTimeout)
	defer cancel()
	_, err := s.cli.NetworkCreate(ctx, s.network, client.NetworkCreateOptions{
		Driver: "bridge",
		Labels: labelsOf(s.owner, s.options.RunID, nil),
	})
	if err != nil {
		return explainNetwork(err)
	}
	return nil
}

// Describe implements stage.Stage: what the engine and the image tell.
func (s *Stage) Describe(ctx context.Context, e *record.Environment) error {
	info, err := s.cli.Info(ctx, client.InfoOptions{})
	if err != nil {
		return fmt.Errorf("docker info: %w", err)
	}
	image, err := s.cli.ImageInspect(ctx, s.options.Image)
	if err != nil {
		return fmt.Errorf("inspect image %s: %w", s.options.Image, err)
	}
	if e.Packages, err = s.packages(ctx); err != nil {
		return fmt.Errorf("read %s of image %s: %w", spec.VersionsTxt, s.options.Image, err)
	}
	e.Stage = record.StageDocker
	e.Engine = "docker " + info.Info.ServerVersion
	e.CgroupMode = "v" + info.Info.CgroupVersion
	e.ImageDigest = image.ID
	e.Images = s.imageIDs()
	e.NetworkPath = "driver container, same bridge network, no published port between"
	return nil
}

// packages reads the image's list through a container that never starts.
func (s *Stage) packages(ctx context.Context) (map[string]string, error) {
	c, err := s.create(ctx, containerSpec{name: "versions"})
	if err != nil {
		return nil, err
	}
	defer s.discard(ctx, c.GetContainerID())
	file, err := c.CopyFileFromContainer(ctx, spec.VersionsTxt)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return parseVersions(io.LimitReader(file, maxVersions))
}

// parseVersions reads lines of "package version".
func parseVersions(r io.Reader) (map[string]string, error) {
	versions := map[string]string{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		switch len(fields) {
		case 0:
		case 2:
			versions[fields[0]] = fields[1]
		default:
			return nil, fmt.Errorf("line %d: %q is not \"package version\"", n, lines.Text())
		}
	}
	return versions, lines.Err()
}

// discard removes a container whose result is known. A failure costs nothing:
// Close removes the container too.
func (s *Stage) discard(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	if err := removeContainer(ctx, s.cli, id); err != nil && !errdefs.IsNotFound(err) {
		s.progress("warning: remove container %.12s: %v", id, err)
	}
}

// Close removes everything of the run, whether ctx has ended or not, within 15 s. The
// reaper and the next Open go on with what Close could not remove. Only the first
// call works; all return its error.
func (s *Stage) Close(ctx context.Context) error {
	s.closeOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
		defer cancel()
		_, err := removeRun(ctx, s.cli, s.options.RunID)
		if errors.Is(err, ErrStuckNetwork) {
			s.progress("warning: %v", err) // the run is as good as without it
			err = nil
		}
		s.closeErr = errors.Join(err, s.reaper.stop(err == nil), s.cli.Close())
	})
	return s.closeErr
}

func (s *Stage) progress(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.options.Progress, format+"\n", args...)
}
