#!/usr/bin/env bash
# One door for everything: ./build.sh demo | test | packages | build | setup
# Each command does all the set-up it needs; running it again changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# libtorch's OpenMP threads spin by default, which makes training up to 70 times slower on busy cores.
# Native code reads these at process start, so they cannot be set from C#.
export OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

fail() { echo "build.sh: $*" >&2; exit 1; }

check_sdk() {
    command -v dotnet >/dev/null || fail "the .NET 10 SDK is not on PATH; install it (package dotnet-sdk-10.0) and run this again."
    dotnet --version >/dev/null 2>&1 || fail "no .NET SDK of version 10 or later found ('dotnet --list-sdks' lists what is there); install dotnet-sdk-10.0."
}

# TorchSharp's native library asks for the symbol version GLIBCXX_3.4.32, which libstdc++ has since GCC 13.2.
has_runtime() {
    local library
    library=$(ldconfig -p 2>/dev/null | awk '/libstdc\+\+\.so\.6 .*x86-64/ { print $NF; exit }')
    [ -n "$library" ] && grep -q GLIBCXX_3.4.32 "$library"
}

install_runtime_from_trixie() {
    local keyring mirror
    local sources=/etc/apt/sources.list.d/neuralcompression-trixie.list
    # The machine's own Debian mirror and keyring, with the suite replaced.
    if [ -f /etc/apt/sources.list.d/debian.sources ]; then
        mirror=$(awk '/^URIs:/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources)
        keyring=$(awk '/^Signed-By:/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources)
    else
        mirror=$(awk '$1 == "deb" && /bookworm/ { for (i = 2; i <= NF; i++) if ($i ~ /^[a-z+]+:/) { print $i; exit } }' /etc/apt/sources.list)
        keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    fi
    [ -n "$mirror" ] || return 1
    echo "build.sh: installing libstdc++6 of Debian 13, which TorchSharp needs (Debian 12 has GCC 12)..." >&2
    echo "deb${keyring:+ [signed-by=$keyring]} $mirror trixie main" > "$sources"
    # Priority 100: nothing is upgraded from trixie unless asked for by name.
    printf 'Package: *\nPin: release n=trixie\nPin-Priority: 100\n' > /etc/apt/preferences.d/neuralcompression-trixie
    DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y -t trixie libstdc++6 >&2
}

check_runtime() {
    [ "$(uname -s)" = Linux ] || return 0
    has_runtime && return 0
    local id version
    id=$(. /etc/os-release 2>/dev/null && echo "${ID:-}")
    version=$(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-}")
    if [ "$id" = debian ] && [ "$version" = 12 ] && [ "$(id -u)" = 0 ]; then
        install_runtime_from_trixie && has_runtime && return 0
        fail "could not install libstdc++6 from Debian 13; install it by hand (apt-get install -t trixie libstdc++6) and run this again."
    fi
    if [ "$id" = debian ] && [ "$version" = 12 ]; then
        fail "TorchSharp needs libstdc++ of GCC 13.2 or later (GLIBCXX_3.4.32); run './build.sh setup' once as root, it installs it."
    fi
    fail "TorchSharp needs libstdc++ of GCC 13.2 or later (GLIBCXX_3.4.32); use Ubuntu 24.04, Debian 13, Fedora 39 or later, or put a newer libstdc++.so.6 on the library path (see docs/troubleshooting.md)."
}

setup() { check_sdk; check_runtime; }

build() { dotnet build NeuralCompression.sln --configuration Release --verbosity quiet -nologo; }

# The widest kernel this processor has, as NC_EXPECT_ISA names it; nothing where the system does not tell.
widest_kernel() {
    case "$(uname -m):$(grep -m1 '^flags' /proc/cpuinfo 2>/dev/null)" in
        x86_64:*avx512dq*avx512bw*avx512vl*) echo avx512 ;;
        x86_64:*avx2*) echo avx2 ;;
        x86_64:*sse4_1*) echo vector128 ;;
    esac
}

# The whole suite once with the widest kernels, then the codec's kernel tests again with instruction sets switched off, one leg for each narrower kernel.
# Each run asserts that exactly the kernels it is for were there. The last line printed is the totals alone: "412 passed, 0 failed".
run_tests() {
    local log status=0 widest
    log=$(mktemp)
    widest=$(widest_kernel)
    trap 'rm -f "$log"' RETURN
    NC_EXPECT_ISA=$widest dotnet test NeuralCompression.sln --configuration Release --no-build --nologo -m:1 "$@" 2>&1 | tee "$log" || status=$?
    if [ "$#" = 0 ]; then
        case "$widest" in avx512) run_leg avx2 DOTNET_EnableAVX512=0 || status=$? ;; esac
        case "$widest" in avx*) run_leg vector128 DOTNET_EnableAVX2=0 || status=$? ;; esac
        case "$widest" in ?*) run_leg scalar DOTNET_EnableHWIntrinsic=0 || status=$? ;; esac
    fi
    awk '
        function field(name,   part) {
            if (match($0, name ": +[0-9]+")) { part = substr($0, RSTART, RLENGTH); sub(/.*: +/, "", part); return part + 0 }
            return 0
        }
        /^(Passed|Failed)! +- Failed: / { failed += field("Failed"); passed += field("Passed"); skipped += field("Skipped") }
        END {
            if (skipped) printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
            else printf "%d passed, %d failed\n", passed, failed
            exit (passed == 0)
        }' "$log" || status=1
    return $status
}

# run_leg KERNEL SWITCH: the tests that compare kernels, in a process where KERNEL is the best there is.
run_leg() {
    echo "build.sh: kernel tests with $2 (expecting $1)"
    env "$2" NC_EXPECT_ISA="$1" dotnet test tests/NeuralCompression.Codec.Tests --configuration Release --no-build --nologo \
        --filter 'FullyQualifiedName~Kernels|FullyQualifiedName~ContextMixing|FullyQualifiedName~GoldenTests|FullyQualifiedName~Quantizer' 2>&1 | tee -a "$log"
}

# What a stranger gets: packages of two clones of HEAD (equal assemblies, the promised dependencies), the README's program in an empty folder on them, and a program compiled ahead of time.
check_packages() {
    local folder version package app=README rid
    folder=$(mktemp -d)
    version=0.0.0-check.$(date +%s)
    trap 'rm -rf "$folder" "${NUGET_PACKAGES:-$HOME/.nuget/packages}"/neuralcompression{,.codec,.tool}/"$version"' RETURN

    for clone in one two; do
        git clone --quiet --no-hardlinks . "$folder/$clone"
        for package in NeuralCompression.Codec NeuralCompression NeuralCompression.Tool; do
            dotnet pack "$folder/$clone/src/$package" --configuration Release --output "$folder/$clone/packages" --verbosity quiet -nologo "-p:Version=$version" || return 1
        done
    done
    for package in NeuralCompression.Codec NeuralCompression; do
        for clone in one two; do unzip -q -o "$folder/$clone/packages/$package.$version.nupkg" -d "$folder/$clone/$package"; done
        cmp "$folder"/{one,two}/"$package/lib/net10.0/$package.dll" || return 1
        [ -f "$folder/one/$package/README.md" ] && grep -q '>MIT</license>' "$folder/one/$package/$package.nuspec" || return 1
        echo "build.sh: $package: two clones give equal assemblies; depends on $(grep -o '<dependency id="[^"]*"' "$folder/one/$package/$package.nuspec" | cut -d'"' -f2 | sort | paste -sd' ')"
    done
    [ "$(grep -ho '<dependency id="[^"]*"' "$folder"/one/NeuralCompression*/*.nuspec | cut -d'"' -f2 | sort | paste -sd' ')" = \
        "Microsoft.Extensions.Options NeuralCompression.Codec System.Numerics.Tensors TorchSharp" ] || { echo "build.sh: the packages have other dependencies than promised" >&2; return 1; }

    for clone in one two; do unzip -q -o "$folder/$clone/packages/NeuralCompression.Tool.$version.nupkg" -d "$folder/$clone/tool"; done
    cmp "$folder"/{one,two}/tool/tools/net10.0/any/ncm.dll || return 1
    dotnet tool install NeuralCompression.Tool --tool-path "$folder/bin" --add-source "$folder/one/packages" --version "$version" > /dev/null || return 1
    (cd "$folder" && bin/ncm compress "$OLDPWD/tests/vectors/safetensors/reference.safetensors" -o tool.ncm && bin/ncm verify tool.ncm) || return 1
    echo "build.sh: NeuralCompression.Tool: two clones give equal assemblies; ncm, installed from its package, works"

    mkdir "$folder/app"
    awk '/^```csharp/ { inside = 1; next } /^```/ && inside { exit } inside' README.md > "$folder/app/Program.cs"
    cat > "$folder/app/$app.csproj" <<EOF
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
    <RestoreAdditionalProjectSources>$folder/one/packages</RestoreAdditionalProjectSources>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="NeuralCompression" Version="$version" />
    <PackageReference Include="libtorch-cpu-linux-x64" Version="2.10.0" />
  </ItemGroup>
</Project>
EOF
    (cd "$folder/app" && dotnet run --configuration Release --verbosity quiet && [ -s model.ncm ]) || return 1
    echo "build.sh: the README's program ran on the packages and wrote a file of $(stat -c %s "$folder/app/model.ncm") bytes"

    rid=$(dotnet --info | awk '$1 == "RID:" { print $2; exit }')
    dotnet publish docs/samples/DecodeOnly --configuration Release --runtime "$rid" --output "$folder/aot" -nologo > "$folder/aot.log" || { cat "$folder/aot.log"; return 1; }
    if grep -i 'warning' "$folder/aot.log"; then return 1; fi
    "$folder/aot/DecodeOnly" || return 1
    echo "build.sh: DecodeOnly has $(stat -c %s "$folder/aot/DecodeOnly") bytes, compiled ahead of time without a warning"
}

case "${1:-}" in
    setup) setup ;;
    build) setup; build ;;
    demo) shift; setup
        dotnet build docs/samples/TrainAndCompress --configuration Release --verbosity quiet -nologo
        exec dotnet run --project docs/samples/TrainAndCompress --configuration Release --no-build -- "$@" ;;
    test) shift; setup; build; run_tests "$@" ;;
    packages) setup; check_packages ;;
    *) echo "usage: ./build.sh demo [options] | test [dotnet test options] | packages | build | setup" >&2; exit 2 ;;
esac
