package rabbittest

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// eval runs an expression of Erlang in the node, in milliseconds where rabbitmqctl
// takes seconds, and returns its value as Erlang writes it.
func (b *Broker) eval(expression string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, caller, "-address", fmt.Sprintf("127.0.0.1:%d", b.dist), "-c", b.cookie,
		"-h", fmt.Sprintf("caller%d", b.calls.Add(1)), // the node refuses a second caller of the same name
		"-e")
	cmd.Stdin = strings.NewReader(expression + ".\n")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s%s", expression, err, out, said.String())
	}
	value, ok := strings.CutPrefix(string(out), "{ok, ")
	if !ok {
		return "", fmt.Errorf("%s: the node answered %s", expression, out)
	}
	return strings.TrimSuffix(strings.TrimSpace(value), "}"), nil
}

// do is eval of what says ok.
func (b *Broker) do(expression string) error {
	value, err := b.eval(expression)
	if err == nil && value != "ok" {
		err = fmt.Errorf("%s: the node answered %s", expression, value)
	}
	return err
}

// text is s as a binary of Erlang.
func text(s string) string {
	bytes := make([]string, 0, len(s))
	for _, c := range []byte(s) {
		bytes = append(bytes, strconv.Itoa(int(c)))
	}
	return "<<" + strings.Join(bytes, ",") + ">>"
}

// queue is the name of a queue as the node knows it.
func queue(name string) string { return `rabbit_misc:r(<<"/">>, queue, ` + text(name) + ")" }

// AddUser adds a user, who may configure, write and read what matches these regular
// expressions.
func (b *Broker) AddUser(name, password, configure, write, read string) error {
	err := b.do(fmt.Sprintf("rabbit_auth_backend_internal:add_user(%s, %s, <<>>)", text(name), text(password)))
	if err != nil {
		return err
	}
	return b.Permit(name, configure, write, read)
}

// Permit changes what a user may do.
func (b *Broker) Permit(name, configure, write, read string) error {
	return b.do(fmt.Sprintf(`rabbit_auth_backend_internal:set_permissions(%s, <<"/">>, %s, %s, %s, <<>>)`,
		text(name), text(configure), text(write), text(read)))
}

// Password changes a user's password.
func (b *Broker) Password(name, password string) error {
	return b.do(fmt.Sprintf("rabbit_auth_backend_internal:change_password(%s, %s, <<>>)", text(name), text(password)))
}

// Limit is how many connections a user may have.
func (b *Broker) Limit(name string, connections int) error {
	return b.do(fmt.Sprintf(`rabbit_auth_backend_internal:set_user_limits(%s, #{<<"max-connections">> => %d}, <<>>)`,
		text(name), connections))
}

// DeleteQueue deletes a queue, as PulseGuardian does.
func (b *Broker) DeleteQueue(name string) error {
	value, err := b.eval(fmt.Sprintf("{ok, Q} = rabbit_amqqueue:lookup(%s), "+
		"{ok, _} = rabbit_amqqueue:delete(Q, false, false, <<>>), ok", queue(name)))
	if err == nil && value != "ok" {
		err = fmt.Errorf("deleting %s: the node answered %s", name, value)
	}
	return err
}

// CloseConnections closes those of a user, who is told why with the code 320, and
// returns how many they were.
func (b *Broker) CloseConnections(user, why string) (int, error) {
	// One that ends meanwhile is none: catch.
	value, err := b.eval(fmt.Sprintf("length([catch rabbit_networking:close_connection(P, %s) || "+
		"P <- rabbit_networking:connections(), "+
		"(catch rabbit_networking:connection_info(P, [user])) =:= [{user, %s}]])", text(why), text(user)))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(value)
}

// Connections is how many connections a user has.
func (b *Broker) Connections(user string) (int, error) {
	value, err := b.eval(fmt.Sprintf("length([P || P <- rabbit_networking:connections(), "+
		"(catch rabbit_networking:connection_info(P, [user])) =:= [{user, %s}]])", text(user)))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(value)
}

// Depth is how many messages of a queue wait, and how many were delivered and are not
// acknowledged.
func (b *Broker) Depth(name string) (ready, unacked int, err error) {
	value, err := b.eval(fmt.Sprintf("{ok, Q} = rabbit_amqqueue:lookup(%s), [{_, R}, {_, U}] = "+
		"rabbit_amqqueue:info(Q, [messages_ready, messages_unacknowledged]), [R, 1000000000, U]", queue(name)))
	if err != nil {
		return 0, 0, err
	}
	// The large number keeps Erlang from writing the list as a text.
	_, err = fmt.Sscanf(strings.ReplaceAll(value, " ", ""), "[%d,1000000000,%d]", &ready, &unacked)
	return ready, unacked, err
}

// HasQueue reports whether there is such a queue.
func (b *Broker) HasQueue(name string) (bool, error) {
	value, err := b.eval("rabbit_amqqueue:exists(" + queue(name) + ")")
	return value == "true", err
}

// Bindings are the bindings of a queue, each as "EXCHANGE KEY", in order.
func (b *Broker) Bindings(name string) ([]string, error) {
	value, err := b.eval(fmt.Sprintf(`lists:flatten(lists:join("\n", [binary_to_list(E) ++ " " ++ binary_to_list(K) || `+
		`{binding, {resource, _, exchange, E}, K, _, _} <- rabbit_binding:list_for_destination(%s), E =/= <<>>]))`,
		queue(name)))
	if err != nil || value == "[]" {
		return nil, err
	}
	list, err := strconv.Unquote(value)
	if err != nil {
		return nil, fmt.Errorf("the bindings of %s: %w: %s", name, err, value)
	}
	out := strings.Split(list, "\n")
	slices.Sort(out)
	return out, nil
}

// Block raises the alarm that memory is short: who publishes is blocked.
func (b *Broker) Block() error { return b.do("vm_memory_monitor:set_vm_memory_high_watermark(0)") }

// Unblock ends what Block began.
func (b *Broker) Unblock() error { return b.do("vm_memory_monitor:set_vm_memory_high_watermark(0.4)") }
