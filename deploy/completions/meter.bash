# Completion of meter for bash. Written by a test of cmd/meter from the
# command line; renew it with go test ./cmd/meter -run CommandLine -update

_meter() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= i
	COMPREPLY=()
	# bash takes --flag=value for three words.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD-2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		read | run | check | explain | collect | srl2yaml | version)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	case $command:$prev in
	read:--config | read:-c)
		_meter_values -f
		return
		;;
	read:--rules | read:-r)
		_meter_values -f
		return
		;;
	read:--orient)
		_meter_values '' initiator perimeter first
		return
		;;
	read:--decapsulate)
		_meter_values '' none innermost
		return
		;;
	read:--output | read:-o)
		_meter_values -f - csv:- ipfix:// ipfix+tcp:// netflow9:// netflow5://
		return
		;;
	read:--biflow)
		_meter_values '' pair split
		return
		;;
	read:--times)
		_meter_values '' seconds milliseconds microseconds nanoseconds
		return
		;;
	read:--sort)
		_meter_values '' octets packets duration start
		return
		;;
	read:--against)
		_meter_values -f
		return
		;;
	run:--config | run:-c)
		_meter_values -f
		return
		;;
	run:--rules | run:-r)
		_meter_values -f
		return
		;;
	run:--orient)
		_meter_values '' initiator perimeter first
		return
		;;
	run:--decapsulate)
		_meter_values '' none innermost
		return
		;;
	run:--output | run:-o)
		_meter_values -f - csv:- ipfix:// ipfix+tcp:// netflow9:// netflow5://
		return
		;;
	run:--biflow)
		_meter_values '' pair split
		return
		;;
	run:--times)
		_meter_values '' seconds milliseconds microseconds nanoseconds
		return
		;;
	run:--web.config.file)
		_meter_values -f
		return
		;;
	check:--config | check:-c)
		_meter_values -f
		return
		;;
	check:--rules | check:-r)
		_meter_values -f
		return
		;;
	check:--orient)
		_meter_values '' initiator perimeter first
		return
		;;
	check:--decapsulate)
		_meter_values '' none innermost
		return
		;;
	explain:--config | explain:-c)
		_meter_values -f
		return
		;;
	explain:--rules | explain:-r)
		_meter_values -f
		return
		;;
	explain:--orient)
		_meter_values '' initiator perimeter first
		return
		;;
	explain:--decapsulate)
		_meter_values '' none innermost
		return
		;;
	read:--home | read:--filter | read:--active | read:--idle | read:--max-flows | read:--sample | read:--workers | read:--top | read:--count | read:--duration)
		return
		;;
	run:--interface | run:-i | run:--home | run:--filter | run:--active | run:--idle | run:--max-flows | run:--sample | run:--workers | run:--web.listen-address | run:--log.format | run:--log.level)
		return
		;;
	check:--home | check:--filter | check:--active | check:--idle | check:--max-flows | check:--sample | check:--workers | check:--diff)
		return
		;;
	explain:--home | explain:--filter | explain:--active | explain:--idle | explain:--max-flows | explain:--sample | explain:--workers | explain:--packet | explain:--show | explain:--flow | explain:--count | explain:--duration)
		return
		;;
	collect:--enterprise)
		return
		;;
	esac
	case $command:$cur in
	:*)
		mapfile -t COMPREPLY < <(compgen -W 'read run check explain collect srl2yaml version --help' -- "$cur")
		;;
	read:-*)
		mapfile -t COMPREPLY < <(compgen -W '--config -c --rules -r --home --filter --orient --decapsulate --active --idle --max-flows --sample --workers --output -o --biflow --times --top --sort --count --duration --merge --against --rules-report --quiet -q --help -h' -- "$cur")
		;;
	read:*)
		_meter_values -f
		;;
	run:-*)
		mapfile -t COMPREPLY < <(compgen -W '--interface -i --config -c --rules -r --home --filter --orient --decapsulate --active --idle --max-flows --sample --workers --output -o --biflow --times --web.listen-address --web.systemd-socket --web.config.file --log.format --log.level --help -h' -- "$cur")
		;;
	check:-*)
		mapfile -t COMPREPLY < <(compgen -W '--config -c --rules -r --home --filter --orient --decapsulate --active --idle --max-flows --sample --workers --program --diff --help -h' -- "$cur")
		;;
	explain:-*)
		mapfile -t COMPREPLY < <(compgen -W '--config -c --rules -r --home --filter --orient --decapsulate --active --idle --max-flows --sample --workers --packet --show --flow --json --all --count --duration --merge --help -h' -- "$cur")
		;;
	explain:*)
		_meter_values -f
		;;
	collect:-*)
		mapfile -t COMPREPLY < <(compgen -W '--enterprise --help -h' -- "$cur")
		;;
	collect:*)
		_meter_values -f udp:// tcp://
		;;
	srl2yaml:-*)
		mapfile -t COMPREPLY < <(compgen -W '--help -h' -- "$cur")
		;;
	srl2yaml:*)
		_meter_values -f
		;;
	version:-*)
		mapfile -t COMPREPLY < <(compgen -W '--help -h' -- "$cur")
		;;
	esac
}

# _meter_values completes with the words of its arguments but the first, and
# if that is -f with files, too.
_meter_values() {
	local files=$1
	shift
	mapfile -t COMPREPLY < <(compgen -W "$*" -- "$cur")
	if [[ "${COMPREPLY[*]}" == */ ]]; then
		compopt -o nospace
	elif ((${#COMPREPLY[@]} == 0)) && [[ $files == -f ]]; then
		compopt -o filenames
	fi
	if [[ $files == -f ]]; then
		mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
	fi
}

complete -F _meter meter
