package trychooser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
)

// The selectors that [TryTaskConfig] names: what a person chose with.
const (
	SelectorFuzzy  = "fuzzy"  // a [Query], or what else a [Choice] holds
	SelectorSyntax = "syntax" // a [Try]
)

// TryTaskConfig is the file try_task_config.json, version 2, that asks Firefox's decision
// task for the labels: `mach try` commits it, and Lando takes it. Labels are sorted and
// come once; what they need, such as builds, the decision task adds itself. A selector is
// [SelectorFuzzy] or [SelectorSyntax]; another one, and an empty label, are job.ErrInvalid.
// Any labels are written, also those of a CI that does not read the file.
func TryTaskConfig(labels []string, selector string) ([]byte, error) {
	fail := func(format string, args ...any) ([]byte, error) {
		err := fmt.Errorf("%w: "+format, append([]any{job.ErrInvalid}, args...)...)
		return nil, job.Wrap("trychooser.config", "", err)
	}
	if selector != SelectorFuzzy && selector != SelectorSyntax {
		return fail("%q is not a selector: expected %s or %s", selector, SelectorFuzzy, SelectorSyntax)
	}
	tasks := append([]string{}, labels...)
	slices.Sort(tasks)
	tasks = slices.Compact(tasks)
	if len(tasks) > 0 && tasks[0] == "" {
		return fail("a label is empty")
	}
	type config struct {
		Env   map[string]string `json:"env"`
		Tasks []string          `json:"tasks"`
	}
	type parameters struct {
		Optimize bool   `json:"optimize_target_tasks"` // they were asked for: run them all
		Config   config `json:"try_task_config"`
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	err := enc.Encode(struct {
		Parameters parameters `json:"parameters"`
		Version    int        `json:"version"`
	}{parameters{Config: config{Env: map[string]string{"TRY_SELECTOR": selector}, Tasks: tasks}}, 2})
	if err != nil {
		return fail("%w", err)
	}
	return out.Bytes(), nil
}
