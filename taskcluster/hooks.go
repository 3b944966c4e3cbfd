package taskcluster

import (
	"context"
	"io"
	"net/http"
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
// everybody, for every push.
func (c *Client) listLastFires(ctx context.Context, groupID, hookID string) ([]*hookFire, error) {
	const op = "hooks.listLastFires"
	var out []*hookFire
	key := groupID + "/" + hookID
	r, err := c.request(http.MethodGet, c.route("hooks", "hooks", groupID, hookID, "last-fires"), nil)
	if err != nil {
		return nil, job.Wrap(op, key, err)
	}
	r.Retries = 2 // whoever asks has another way to know
	err = c.rest.Stream(ctx, r, func(body io.Reader) (err error) {
		out, _, err = elements[hookFire](body, "lastFires") // one page is enough: the newest come first
		return err
	})
	return out, wrap(op, key, malformed(err))
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
