// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// AsUser makes a server run as another user when we are root. When we are not, the
// server runs as we do.
func AsUser(name string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	uid, gid, err := idsOf(name)
	if err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// ChownTo hands a folder to a server's user, where we may.
func ChownTo(name, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := idsOf(name)
	if err != nil {
		return err
	}
	return os.Chown(dir, uid, gid)
}

func idsOf(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, err
	}
	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	return uid, gid, errors.Join(errUID, errGID)
}
