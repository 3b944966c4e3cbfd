package rest

// Hosts is how many hosts the client knows of.
func (c *Client) Hosts() int { return c.hosts.known() }

// AllHosts is how many hosts the process knows of.
func AllHosts() int { return process.known() }

func (h *hosts) known() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.rooms)
}

// Len is how many answers are kept.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(len(m.entries), m.order.Len())
}

// Looks is how often the whole folder was looked at.
func (d *Disk) Looks() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.looks
}
