package autopilot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// mode returns what the robot may do now, and why it may do no more than that. A switch that cannot
// be read means Off. OffFile goes first, then Off by the switch or Config.Mode, then DryRun by
// either. Act has no reason.
func (r *Robot) mode(ctx context.Context) (Mode, string) {
	if r.cfg.OffFile != "" {
		_, err := os.Stat(r.cfg.OffFile)
		switch {
		case err == nil:
			return Off, fmt.Sprintf("the file %s stops the autopilot", r.cfg.OffFile)
		case !errors.Is(err, fs.ErrNotExist): // it may exist
			return Off, fmt.Sprintf("mozci cannot read the switch: %v", err)
		}
	}
	s, err := r.store.Switch(ctx)
	switch {
	case err != nil:
		return Off, fmt.Sprintf("mozci cannot read the switch: %v", err)
	case s.Mode == Off:
		return Off, fmt.Sprintf("%s stopped the autopilot%s", s.By, reason(s.Why))
	case r.cfg.Mode == Off:
		return Off, "the autopilot's file says off"
	case s.Mode == DryRun:
		return DryRun, fmt.Sprintf("%s set the autopilot to a dry run%s", s.By, reason(s.Why))
	case r.cfg.Mode == DryRun:
		return DryRun, "the autopilot's file says dry run"
	}
	return Act, ""
}

// reason is a reason as the end of a sentence: ": too noisy", and nothing for none.
func reason(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// Switch returns the switch, as people or the robot itself set it. Mode returns what the robot may
// do by the switch and the file together.
func (r *Robot) Switch(ctx context.Context) (Switch, error) { return r.store.Switch(ctx) }

// Mode returns what the robot may do now, and why it may do no more than that.
func (r *Robot) Mode(ctx context.Context) (Mode, string) { return r.mode(ctx) }

// Stop sets the switch. Off stops the robot before its next request; with DryRun it goes on
// deciding and reporting, but triggers nothing. The caller must check that who has the right to.
func (r *Robot) Stop(ctx context.Context, m Mode, who, why string) error {
	err := r.store.SetSwitch(ctx, Switch{Mode: m, By: who, Why: why})
	r.wake()
	return err
}

// Resume lets the robot do again what the file allows, also after it fell back to a dry run. It
// ends a row of undecided cases, so that the next one does not make the robot fall back at once,
// and makes everything that waits due now.
func (r *Robot) Resume(ctx context.Context, who string) error {
	if err := r.store.SetSwitch(ctx, Switch{Mode: Act, By: who}); err != nil {
		return err
	}
	now, err := r.store.Now(ctx)
	if err != nil {
		return err
	}
	// A key of its own for each time, since a lesson counts once for its key.
	_, err = r.store.Learn(ctx, fmt.Sprintf("resumed %d", now.UnixMicro()), LessonReset, r.cfg.Cases)
	if err == nil {
		_, err = r.store.Wake(ctx, "", "")
	}
	r.wake()
	return err
}

// OptOut keeps the robot away from a push or, with out false, lets it act there again. Runs that it
// has triggered there go on. The revision may be shortened; it is stored as the repository gives
// it.
func (r *Robot) OptOut(ctx context.Context, repo, revision, who string, out bool) error {
	place, err := r.places.Repository(repo)
	if err != nil {
		return err
	}
	p, err := place.Push(ctx, revision)
	if err != nil {
		return err
	}
	return r.store.OptOut(ctx, repo, p.Revision, who, out)
}
