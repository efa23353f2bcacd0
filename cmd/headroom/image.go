// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/moby/moby/client"
	"github.com/spf13/cobra"

	"headroom/harness/stage/docker"
	"headroom/targets/image"
	"headroom/targets/kinds"
)

func newImage() *cobra.Command {
	var ifDocker bool
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Build the image that every machine runs (done by itself when missing)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cli, err := docker.Connect(cmd.Context())
			if errors.Is(err, docker.ErrUnavailable) && ifDocker && os.Getenv("CI") != "true" {
				fmt.Fprintf(cmd.ErrOrStderr(), "image: not built, Docker is away: %v\n", err)
				return nil
			}
			if err != nil {
				return err
			}
			defer cli.Close()
			ref, err := ensureImage(cmd.Context(), cli, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := image.TagLatest(cmd.Context(), cli, ref); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), ref.Tag)
			return nil
		},
	}
	cmd.Flags().BoolVar(&ifDocker, "if-docker", false, "when Docker is away, say so and succeed (but fail where CI=true)")
	return cmd
}

// ensureImage makes the image around this very program.
func ensureImage(ctx context.Context, cli *client.Client, progress io.Writer) (image.Ref, error) {
	self, err := os.Executable()
	if err != nil {
		return image.Ref{}, fmt.Errorf("find the headroom binary: %w", err)
	}
	return image.Ensure(ctx, cli, self, image.Packages(kinds.Data()), progress)
}
