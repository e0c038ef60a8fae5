# SPDX-License-Identifier: BSL-1.0

# Instead of installing a package for everybody, unpacks it here.
sudo() {
  [ "$1 $2" = "apt-get install" ] || fail "what is $*?"
  dpkg-deb -x "$3" "$HOME/root"
}

# tag::install[]
cd sluice
cmake --preset install
cpack --preset debian
sudo apt-get install ./build/libsluice-dev_0.1.0_all.deb
# end::install[]
package=build/libsluice-dev_${version}_all.deb
is "the name" "$(dpkg-deb -f "$package" Package)" libsluice-dev
is "the version" "$(dpkg-deb -f "$package" Version)" "$version"
is "the architecture" "$(dpkg-deb -f "$package" Architecture)" all
[[ $(dpkg-deb -f "$package" Depends) == "libboost-dev (>= 1.81)"* ]] || fail "it needs no Boost"
cd ..
is_installed root/usr

cmake -S consumer -B build -D CMAKE_PREFIX_PATH="$HOME/root/usr"
cmake --build build
works build/program
# Debian wants these two of every package.
for file in copyright changelog.gz; do
  [ -s "root/usr/share/doc/libsluice-dev/$file" ] || fail "there is no $file"
done
