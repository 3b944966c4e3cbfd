package taskcluster

import (
	"context"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// hookFire is one time that a hook was fired.
type hookFire struct {
	TaskID         string    `json:"taskId"`
	FiredBy        string    `json:"firedBy"`
	TaskCreateTime time.Time `json:"taskCreateTime"`
	Result         string    `json:"result"`    // success, error, no-fire
	TaskState      string    `json:"taskState"` // the task's; unknown where there is none
}

// listLastFires are the latest times that a hook was fired, newest first: by
// everybody, for every push. A hook keeps thousands, so that pages are read until
// one has a fire from before since.
func (c *Client) listLastFires(ctx context.Context, groupID, hookID string, since time.Time) ([]*hookFire, error) {
	const op = "hooks.listLastFires"
	var out []*hookFire
	key := groupID + "/" + hookID
	read := func(url string) (token string, err error) {
		r, err := c.request(http.MethodGet, url, nil)
		if err != nil {
			return "", job.Wrap(op, key, err)
		}
		r.Retries = 2 // whoever asks has another way to know
		var page []*hookFire
		err = c.rest.Stream(ctx, r, func(body io.Reader) (err error) {
			page, token, err = elements[hookFire](body, "lastFires")
			return err
		})
		out = append(out, page...)
		if slices.ContainsFunc(page, func(f *hookFire) bool { return f.TaskCreateTime.Before(since) }) {
			token = ""
		}
		return token, wrap(op, key, malformed(err))
	}
	for _, err := range pages(c.route("hooks", "hooks", groupID, hookID, "last-fires"), read) {
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// triggerHook fires a hook with a payload, a JSON object, and returns the id of
// the task that it made. It is empty where the hook accepted the payload and
// made none. It is never repeated: a lost answer does not mean that nothing was
// made.
func (c *Client) triggerHook(ctx context.Context, groupID, hookID string, payload any) (taskID string, err error) {
	const op = "hooks.triggerHook"
	var out struct {
		TaskID string `json:"taskId"`
		Status struct {
			TaskID string `json:"taskId"`
		} `json:"status"`
	}
	key := groupID + "/" + hookID
	url := c.route("hooks", "hooks", groupID, hookID, "trigger")
	if err := c.call(ctx, op, key, http.MethodPost, url, payload, &out, false); err != nil {
		return "", err
	}
	if out.TaskID == "" {
		out.TaskID = out.Status.TaskID // where it was until version 42
	}
	if out.TaskID == "" {
		return "", nil
	}
	if err := checkAnswered(op, key, out.TaskID); err != nil {
		return "", err
	}
	return out.TaskID, nil
}
