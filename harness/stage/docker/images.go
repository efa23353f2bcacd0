// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"headroom/harness/stage"
	"headroom/internal/child"
	"headroom/scenarios"
)

const (
	// imageTimeout bounds the build or the pull of one image.
	imageTimeout = 15 * time.Minute
	// ownImages is the repository of the images that are built for scenarios. An
	// image stays when the run ends, as after any build: the next one is quick.
	ownImages = "headroom/own"
	// dockerProgram knows the user's registries, credentials and builders, which the
	// engine's API does not.
	dockerProgram = "docker"
)

// ownImage is an image of the user's own that is there.
type ownImage struct {
	id          string // "sha256:...": the tag may come to name another image while the run goes on
	description string // as the scenario has it
}

// EnsureImages builds and pulls the images of the user's own that the processes of a
// topology run in, each once, and gives up on each after 15 min. It builds an image
// each time, which is quick where nothing has changed. It pulls an image only when
// the image is not there. An error holds the last lines of the build.
func (s *Stage) EnsureImages(ctx context.Context, t scenarios.Topology) error {
	if err := stage.CheckServices(t, true); err != nil {
		return err
	}
	for _, at := range t.Processes() {
		if !at.Process.Foreign() {
			continue
		}
		service := *at.Process.Service
		tag := imageTag(service)
		if s.hasImage(tag) {
			continue
		}
		id, err := s.ensureImage(ctx, service, tag)
		if err != nil {
			return fmt.Errorf("image of %s: %w", at.Address(), err)
		}
		s.keepImage(tag, ownImage{id: id, description: describeImage(service)})
	}
	return nil
}

// hasImage says whether EnsureImages has made an image.
func (s *Stage) hasImage(tag string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, there := s.images[tag]
	return there
}

// keepImage notes an image. Two images may be built in one folder with different
// arguments: the second one's description has its tag too, which tells them apart.
func (s *Stage) keepImage(tag string, made ownImage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.images {
		if other.description == made.description {
			made.description += " (" + tag + ")"
			break
		}
	}
	s.images[tag] = made
}

// imageIDs are the images of the user's own, by what the scenario says of each.
func (s *Stage) imageIDs() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.images) == 0 {
		return nil
	}
	ids := map[string]string{}
	for _, made := range s.images {
		ids[made.description] = made.id
	}
	return ids
}

// imageOf is the id of a service's image.
func (s *Stage) imageOf(service scenarios.Service) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.images[imageTag(service)].id
}

// checkImages is an error when an image of a topology is not made. Its caller holds
// s.mu.
func (s *Stage) checkImages(t scenarios.Topology) error {
	for _, at := range t.Processes() {
		if !at.Process.Foreign() {
			continue
		}
		if _, there := s.images[imageTag(*at.Process.Service)]; !there {
			return fmt.Errorf("%s needs an image that is not made (%s): call EnsureImages before", at.Address(), describeImage(*at.Process.Service))
		}
	}
	return nil
}

// imageTag is the name by which the engine knows a service's image: the scenario's,
// or a hash of everything that the build depends on.
func imageTag(service scenarios.Service) string {
	if service.Build == nil {
		return service.Image
	}
	b := *service.Build
	b.Context = contextOf(b)
	text, _ := json.Marshal(b) // strings alone: never fails
	sum := sha256.Sum256(text)
	return ownImages + ":" + hex.EncodeToString(sum[:6])
}

// describeImage is what the scenario says of an image, without the build's arguments,
// which may be secret.
func describeImage(service scenarios.Service) string {
	if service.Build == nil {
		return service.Image
	}
	text := "build " + service.Build.Context
	if service.Build.Dockerfile != "" {
		text += " " + service.Build.Dockerfile
	}
	if service.Build.Target != "" {
		text += " to " + service.Build.Target
	}
	return text
}

// contextOf is the folder that is built.
func contextOf(b scenarios.Build) string {
	if filepath.IsAbs(b.Context) {
		return filepath.Clean(b.Context)
	}
	return filepath.Join(b.Dir, b.Context)
}

// ensureImage returns the id of an image, which it builds, or pulls when it is not
// there.
func (s *Stage) ensureImage(ctx context.Context, service scenarios.Service, tag string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, imageTimeout, fmt.Errorf("not done within %v", imageTimeout))
	defer cancel()
	began, did := time.Now(), "built"
	if service.Build != nil {
		s.progress("image %s: building; what the build says is shown if it fails", describeImage(service))
		if err := s.build(ctx, *service.Build, tag); err != nil {
			return "", err
		}
	} else {
		id, err := s.imageID(ctx, tag)
		if err != nil || id != "" {
			return id, err
		}
		s.progress("image %s: pulling", describeImage(service))
		if err := s.pull(ctx, tag); err != nil {
			return "", explainPull(ctx, tag, err)
		}
		did = "pulled"
	}
	id, err := s.imageID(ctx, tag)
	if err == nil && id == "" {
		err = fmt.Errorf("%s was %s and is not in the engine %s: let the docker program work for that engine (docker context use, docker buildx use default)", tag, did, s.cli.DaemonHost())
	}
	if err == nil {
		s.progress("image %s is %s after %.1f s", describeImage(service), did, time.Since(began).Seconds())
	}
	return id, err
}

// imageID is the id of an image; "": it is not there.
func (s *Stage) imageID(ctx context.Context, tag string) (string, error) {
	found, err := s.cli.ImageInspect(ctx, tag)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("inspect image %s: %w", tag, err)
	}
	return found.ID, nil
}

// build builds an image by the docker program, and by the engine's API where there is
// no such program.
func (s *Stage) build(ctx context.Context, b scenarios.Build, tag string) error {
	program, err := exec.LookPath(dockerProgram)
	if err != nil {
		return s.buildByAPI(ctx, b, tag)
	}
	words, env := buildWords(b, tag)
	return s.runDocker(ctx, program, words, env...)
}

// buildWords are the words of docker build, and what its environment has besides. The
// scenario names the Dockerfile from the folder that is built, the program from where
// it runs. Everybody on this computer may read a command line, so the values of
// arguments stand in the environment: the program looks up an argument without a
// value there.
func buildWords(b scenarios.Build, tag string) (words, env []string) {
	folder := contextOf(b)
	words = []string{"build", "--tag", tag}
	if b.Dockerfile != "" {
		words = append(words, "--file", filepath.Join(folder, b.Dockerfile))
	}
	if b.Target != "" {
		words = append(words, "--target", b.Target)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Args)) {
		said := name + "=" + b.Args[name]
		if affectsDocker(name) {
			words = append(words, "--build-arg", said)
			continue
		}
		words, env = append(words, "--build-arg", name), append(env, said)
	}
	return append(words, folder), env
}

// affectsDocker says whether the docker program itself obeys an environment variable.
// A build argument of that name must not stand in its environment.
func affectsDocker(name string) bool {
	name = strings.ToUpper(name)
	return name == "PATH" || name == "HOME" || strings.HasPrefix(name, "DOCKER_") || strings.HasPrefix(name, "BUILDX_") ||
		strings.HasPrefix(name, "BUILDKIT_") || strings.HasSuffix(name, "_PROXY")
}

// explainPull adds the remedy to why an image was not pulled, unless the user gave up.
func explainPull(ctx context.Context, tag string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("pull %s: %w", tag, err)
	}
	return fmt.Errorf("pull %s (see that the name is right, and that docker pull works for it): %w", tag, err)
}

// pull pulls an image by the docker program, and by the engine's API, which has no
// credentials, where there is no such program.
func (s *Stage) pull(ctx context.Context, tag string) error {
	if program, err := exec.LookPath(dockerProgram); err == nil {
		return s.runDocker(ctx, program, []string{"pull", tag})
	}
	pulling, err := s.cli.ImagePull(ctx, tag, client.ImagePullOptions{})
	if err != nil {
		return err
	}
	defer pulling.Close()
	return pulling.Wait(ctx)
}

// runDocker runs the docker program against this stage's engine, with more in its
// environment. A builder elsewhere would keep what it builds. An attestation holds
// the time of the build, and would give the same image another id each time.
func (s *Stage) runDocker(ctx context.Context, program string, words []string, env ...string) error {
	cmd := exec.Command(program, words...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Env = append(cmd.Env, client.EnvOverrideHost+"="+s.cli.DaemonHost(), "BUILDX_BUILDER=default", "BUILDX_NO_DEFAULT_ATTESTATIONS=1")
	var runner child.Runner
	return runner.Run(ctx, cmd, child.Options{Name: dockerProgram + " " + words[0]})
}

// buildByAPI builds an image by the engine's classic builder.
func (s *Stage) buildByAPI(ctx context.Context, b scenarios.Build, tag string) error {
	args := map[string]*string{}
	for name, value := range b.Args {
		args[name] = &value
	}
	repo, version, _ := strings.Cut(tag, ":")
	log := child.NewLog("docker build", nil)
	_, err := s.provider.BuildImage(ctx, &testcontainers.ContainerRequest{FromDockerfile: testcontainers.FromDockerfile{
		Context: contextOf(b), Dockerfile: b.Dockerfile, Repo: repo, Tag: version, BuildArgs: args, BuildLogWriter: log,
		BuildOptionsModifier: func(o *client.ImageBuildOptions) { o.Target = b.Target },
	}})
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause // not what followed from it
	}
	return log.Explain(err)
}
