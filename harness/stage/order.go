// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"

	"golang.org/x/sync/errgroup"

	"headroom/scenarios"
)

// InOrder starts the machines of a topology in the order of their links. It calls
// start with each machine and its place in the topology, at once for all machines
// whose links lead to started ones. The first error ends it.
func InOrder(ctx context.Context, t scenarios.Topology, start func(ctx context.Context, m scenarios.Machine, i int) error) error {
	waves, err := t.Waves()
	if err != nil {
		return err
	}
	for _, wave := range waves {
		group, groupCtx := errgroup.WithContext(ctx)
		for _, m := range wave {
			group.Go(func() error { return start(groupCtx, m, t.Index(m.Name)) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}
