// SPDX-License-Identifier: Apache-2.0
//
// A PROXY protocol header of any bytes, in pieces that the first byte chooses: the answer must not depend on
// the pieces, no byte beyond the header is asked for, and an address is a whole one.
#include <string.h>

#include "base/check.h"
#include "net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct answer {
    enum result result;
    enum transport_reason reason;
    struct net_proxy proxy;
    size_t have;
};

static struct answer read_all(const uint8_t *data, size_t size, size_t step)
{
    struct answer answer = {.reason = TRANSPORT_NONE};
    size_t wanted = 0;
    answer.result = net_proxy_parse(slice_of(data, 0), &answer.proxy, &wanted, &answer.reason);
    while (answer.result == AGAIN) {
        ensure(wanted >= 1 && answer.have + wanted <= NET_PROXY_MOST);
        size_t now = wanted < step ? wanted : step;
        if (answer.have + now > size)
            break;
        answer.have += now;
        answer.result = net_proxy_parse(slice_of(data, answer.have), &answer.proxy, &wanted, &answer.reason);
    }
    return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct answer one = read_all(data + 1, size - 1, 1);
    struct answer other = read_all(data + 1, size - 1, 1u + data[0]);
    if (one.result == AGAIN || other.result == AGAIN)
        return 0;
    ensure(one.result == other.result);
    ensure(one.result == OK || (one.result == ERR_FORMAT && one.reason != TRANSPORT_NONE));
    ensure(one.result != OK || one.have == other.have);
    ensure(one.proxy.has_address == other.proxy.has_address || one.result != OK);
    if (one.result == OK && one.proxy.has_address)
        ensure(net_address_equal(&one.proxy.address, &other.proxy.address) &&
               (one.proxy.address.family == NET_IPV4 || one.proxy.address.family == NET_IPV6));
    return 0;
}
