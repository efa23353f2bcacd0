// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/client"
)

// Latest is the name that a compose file knows the machine image by, whatever
// is in it.
const Latest = repoMachine + ":latest"

// TagLatest makes Latest another name of ref.
func TagLatest(ctx context.Context, cli *client.Client, ref Ref) error {
	return tagAs(ctx, cli, ref, Latest)
}

func tagAs(ctx context.Context, cli *client.Client, ref Ref, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := cli.ImageTag(ctx, client.ImageTagOptions{Source: ref.Tag, Target: name}); err != nil {
		return fmt.Errorf("image: naming %s %s: %w", ref.Tag, name, err)
	}
	return nil
}
