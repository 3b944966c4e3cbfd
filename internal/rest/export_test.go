package rest

// Hosts is how many hosts the client knows of.
func (c *Client) Hosts() int {
	c.hosts.mu.Lock()
	defer c.hosts.mu.Unlock()
	return len(c.hosts.rooms)
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
