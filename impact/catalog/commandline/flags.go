package commandline

// The flags of docker's commands that a recording reads, from the sources of docker/cli
// 29.8 (cli/command/image/build.go, cli/flags), buildx 0.38 (commands/build.go, bake.go,
// root.go), compose 2.40 (cmd/compose), nerdctl 2 and podman 5. One that takes a value
// must be known as such: the context is found by what remains.
var (
	DockerGlobals = New(
		"D,debug tls tlsverify v,version h,help",
		"config c,context H,host l,log-level tlscacert tlscert tlskey")

	PodmanGlobals = New(
		"r,remote syslog v,version h,help noout",
		"cgroup-manager config conmon connection events-backend hooks-dir identity imagestore log-level module network-cmd-path network-config-dir out "+
			"root runroot runtime runtime-flag ssh storage-driver storage-opt tmpdir transient-store url volumepath").With(letters("c", "connection"))

	NerdctlGlobals = New(
		"debug debug-full insecure-registry experimental h,help v,version kube-hide-dupe",
		"a,address H,host n,namespace snapshotter storage-driver cni-path cni-netconfpath data-root cgroup-manager hosts-dir host-gateway-ip bridge-ip cdi-spec-dirs userns-remap")

	BuildxGlobals = New("D,debug h,help", "builder")

	// Those of docker build, of both builders.
	BuildFlags = New(
		"load push q,quiet check compress squash rm force-rm no-cache pull disable-content-trust h,help",
		"add-host allow annotation build-arg cache-from cache-to cgroup-parent build-context f,file iidfile label network no-cache-filter o,output "+
			"platform policy secret shm-size ssh t,tag target ulimit resource attest sbom provenance call print m,memory memory-swap c,cpu-shares cpu-period cpu-quota "+
			"cpuset-cpus cpuset-mems isolation security-opt progress metadata-file").With(BuildxGlobals)

	PodmanBuildFlags = New(
		"all-platforms compat-volumes disable-compression D,disable-content-trust force-rm http-proxy identity-label inherit-annotations inherit-labels layers "+
			"no-cache no-hostname no-hosts omit-history q,quiet rm save-stages skip-unused-stages squash squash-all stdin tls-verify created-annotation h,help",
		"add-host annotation arch authfile build-arg build-arg-file build-context cache-from cache-to cache-ttl cap-add cap-drop cert-dir cgroup-parent cgroupns "+
			"cpp-flag cpu-period cpu-quota c,cpu-shares cpuset-cpus cpuset-mems creds cw decryption-key device dns dns-option dns-search env f,file format from "+
			"group-add hooks-dir iidfile ignorefile ipc isolation jobs label layer-label logfile manifest m,memory memory-swap metadata-file network os os-feature os-version o,output "+
			"pid platform retry retry-delay rewrite-timestamp runtime runtime-flag sbom sbom-image-output sbom-image-purl-output sbom-merge-strategy sbom-output "+
			"sbom-purl-output sbom-scanner-command sbom-scanner-image secret security-opt shm-size sign-by source-date-epoch ssh t,tag target timestamp ulimit unsetannotation unsetenv unsetlabel userns "+
			"userns-gid-map userns-gid-map-group userns-uid-map userns-uid-map-user uts variant v,volume").Loose()

	NerdctlBuildFlags = New(
		"q,quiet rm no-cache push h,help",
		"add-host allow attest buildkit-host build-arg build-context cache-from cache-to f,file iidfile label network o,output platform progress provenance sbom secret ssh t,tag target").Loose()

	BakeFlags = New(
		"load push no-cache pull print check list-targets list-variables h,help",
		"f,file sbom provenance policy set var call allow j,jobs list progress metadata-file").With(BuildxGlobals)

	ComposeGlobals = New(
		"all-resources compatibility dry-run verbose no-ansi v,version h,help",
		"ansi env-file f,file parallel profile progress project-directory p,project-name workdir")

	ComposeBuildFlags = New(
		"check no-cache print pull push q,quiet with-dependencies compress force-rm no-rm parallel h,help",
		"build-arg builder m,memory progress provenance sbom ssh")

	ComposeUpFlags = New(
		"abort-on-container-exit abort-on-container-failure always-recreate-deps attach-dependencies build d,detach force-recreate menu no-build no-color no-deps no-log-prefix "+
			"no-recreate no-start quiet-build quiet-pull remove-orphans V,renew-anon-volumes timestamps wait w,watch y,yes h,help",
		"attach exit-code-from no-attach pull scale t,timeout wait-timeout").Loose()

	ImagesFlags = New(
		"a,all digests no-trunc q,quiet tree n,noheading noheading history h,help",
		"f,filter format sort").Loose()

	InspectFlags = New("s,size h,help", "f,format type platform").Loose()
)

func letters(letter, name string) *Set {
	return &Set{values: map[string]bool{name: true}, letters: map[byte]string{letter[0]: name}}
}

// Loose takes a flag that it does not know for a switch: these lists are of programs whose
// flags are many, and change.
func (f *Set) Loose() *Set {
	f.lenient = true
	return f
}
