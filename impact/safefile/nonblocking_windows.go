package safefile

const nonblocking = 0
