package watch

import "syscall"

// silentKinds are the file systems (statfs(2) f_type) that tell nothing of what
// another machine does to them: the network's, and those that share a folder with a
// virtual machine. FUSE is most of the latter (Docker Desktop, virtiofs).
var silentKinds = map[uint32]string{
	0x6969:     "nfs",
	0x517b:     "smb",
	0xfe534d42: "smb",
	0xff534d42: "cifs",
	0x01021997: "9p",
	0x65735546: "fuse",
	0x786f4256: "vboxsf",
	0xbacbacbc: "vmhgfs",
	0x7c7c6673: "prl_fs",
	0x00c36400: "ceph",
	0x0bd00bd0: "lustre",
	0x47504653: "gpfs",
	0x5346414f: "afs",
	0x6b414653: "afs",
	0x73757245: "coda",
	0x564c:     "ncp",
}

// silentKind names the kind of the file system under a folder when it reports no
// events; "" when it does, or is not known.
func silentKind(dir string) string {
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return ""
	}
	return silentKinds[uint32(st.Type)]
}
