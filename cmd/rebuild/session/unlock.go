package session

import (
	"context"
	"errors"
	"time"
)

// unlockPoll is how soon it is seen that a lock was given up.
const unlockPoll = 20 * time.Millisecond

// AwaitUnlock waits until a process has given a lock up, or another one has it. The error
// is the context's, or of the lock's file.
func AwaitUnlock(ctx context.Context, lock string, pid int) error {
	tick := time.NewTicker(unlockPoll)
	defer tick.Stop()
	for {
		release, err := Lock(ctx, lock, false, nil)
		var locked *Locked
		switch {
		case err == nil:
			return release()
		case !errors.As(err, &locked):
			return err
		case locked.Holder.PID != pid && locked.Holder.PID != 0:
			return nil // another one has begun
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
