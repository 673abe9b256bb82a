"""
The scenarios for recursive and validating resolvers: which of them are played, and what the reason is where one is not.

A scenario is skipped if it needs an option that we do not have. Where it checks what each server decides in its own way, only the steps
that do so are passed over.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BUILT_IN_HINTS", "DECKARD", "EXEMPT", "FAULTS", "IGNORED", "NEEDLESS", "VALIDATOR", "VALIDATOR_EXEMPT"]

_POLICY: Final = "option policy: rules of Knot Resolver"

_MINIMIZED: Final = (
    "own policy: shortened names are asked for with type A, and these servers know them with type NS only (RFC 9156, section 2.1)"
)

#: All of Deckard's scenarios for resolvers, with the reason where one is not played.
DECKARD: Final[dict[str, str]] = dict.fromkeys(
    """
    black_data black_dnskey black_ds black_ent black_prime fwd_val_cname_sibling iter_badglue iter_badraw iter_cname_badauth
    iter_cname_cache iter_cname_double iter_cname_nx iter_cname_qnamecopy iter_cycle iter_dname_insec iter_dnsseclame_ds_ok
    iter_dnsseclame_ta_ok iter_domain_sale iter_domain_sale_nschange iter_donotq127 iter_ds_locate_ns iter_ds_locate_ns_nosoa
    iter_escape_bailiwick iter_hint_lame iter_lame_aaaa iter_lame_noaa iter_lame_nosoa iter_lame_root iter_lamescrub iter_mod
    iter_multiple_A iter_ns_badaa iter_ns_badglue iter_ns_badip iter_ns_noglue iter_ns_spoof iter_pc_a iter_pc_aaaa iter_pcdiff
    iter_pcdirect iter_pcname iter_pcnamech iter_pcnamechrec iter_pcnamerec iter_pcttl iter_reclame_one iter_reclame_two
    iter_recurse iter_req_qname iter_resolve iter_tcbit iter_timeouted_ns iter_unexpectedrrtype iter_validate
    iter_validate_child_zone_noaddr iter_validate_extradata iter_validate_nsec_nxdomain module_dns64 nsec3_aggr_cache
    nsec3_wildcard_no_data_response nsec_aggr_cache nsec_name_error_response nsec_name_error_response-part2 nsec_no_data_response
    nsec_ref_to_unsigned1 nsec_ref_to_unsigned2 nsec_ref_to_unsigned3 nsec_wildcard_answer_response nsec_wildcard_no_data_response
    nsec_wildcard_no_data_response-part2 val_ad_qtype_ds val_adbit val_adcopy val_anchor_nx_nosig val_ans_dsent val_ans_nx
    val_bogus_nodata val_cname_loop1 val_cname_loop1_3 val_cname_loop3 val_cname_new_signer val_cname_oob val_cname_to_unsigned
    val_cname_to_unsigned_fake_rrsig val_cname_trust_domains val_cnamenx_dblnsec val_cnameqtype val_deleg_nons val_dname
    val_dname_bogus val_ds_afterprime val_ds_cname val_ds_cnamesub val_faildnskey val_iter_high val_mal_wc
    val_minimal_anotherdomainsignature val_minimal_anotherrrtypesignature val_minimal_baddnskeyalgorithm val_minimal_baddnskeyflags
    val_minimal_baddnskeyprotocol val_minimal_baddsalgorithm val_minimal_baddsdigest val_minimal_baddsdigesttype
    val_minimal_baddskeytag val_minimal_badpublickey val_minimal_badrrsigalgorithm val_minimal_badrrsigexpiration
    val_minimal_badrrsiginception val_minimal_badrrsiglabels val_minimal_badrrsigsignature val_minimal_badrrsigtag
    val_minimal_badrrsigttl val_minimal_beforeinception val_minimal_expiredsignature val_minimal_noerror val_negcache_ds
    val_noadwhennodo val_nodata_hasdata val_nodata_zonecut val_nodatawc_badce val_nokeyprime val_nsec3_b1_nameerror
    val_nsec3_b1_nameerror_noce val_nsec3_b1_nameerror_nonc val_nsec3_b1_nameerror_nowc val_nsec3_b21_nodataent
    val_nsec3_b21_nodataent_wr val_nsec3_b2_nodata val_nsec3_b2_nodata_nons val_nsec3_b3_optout val_nsec3_b3_optout_negcache
    val_nsec3_b3_optout_noce val_nsec3_b3_optout_nonc val_nsec3_b4_wild val_nsec3_b5_wcnodata val_nsec3_b5_wcnodata_noce
    val_nsec3_b5_wcnodata_nonc val_nsec3_b5_wcnodata_nowc val_nsec3_cnametocnamewctoposwc val_nsec3_entnodata_optout_badopt
    val_nsec3_nods_badsig val_nsec3_nods_soa val_nsec3_noopt_ref val_nsec3_optout_ad val_nsec3_optout_ns_ad
    val_nsec3_optout_unsec_cache val_nx val_nx_nodeny val_nx_nowc val_pos_truncns val_positive_nosigs val_qds_oneanc val_qds_twoanc
    val_referral_nods val_root_ds val_rrsig val_secds val_secds_nosig val_ta_sentinel val_ta_sentinel_insecure val_ta_sentinel_nokey
    val_unalgo_ds val_unknown_algorithm_insecure val_unsecds val_unsecds_negcache val_unsecds_qtypeds val_wild_pos
    val_wild_pos_multi world_cz_lidovky_www world_cz_rhybar world_cz_turris_api world_cz_vutbr_www world_mx_nic_www
    """.split(),
    "",
) | {
    "iter_cycle_noh": "option harden-glue: no; addresses of servers from outside of the sender's zone are not used (RFC 5452, section 6)",
    "iter_minim_a": _MINIMIZED,
    "iter_minim_a_nxdomain": _MINIMIZED,
    "iter_minim_nonempty": _MINIMIZED,
    "iter_minim_ns": _MINIMIZED,
    "iter_minmaxttl": "options min_ttl and max_ttl",
    "iter_nottl": "option min_ttl; a denial without SOA record is not cached (RFC 2308, section 5)",
    "module_hint_static": "options static_hint_name and static_hint_addr",
    "module_policy_deny_all": _POLICY,
    "module_policy_deny_suff_comm": _POLICY,
    "module_policy_deny_suff_patt": _POLICY,
    "module_policy_drop": _POLICY,
    "module_policy_forward": _POLICY,
    "module_policy_pass_deny": _POLICY,
    "module_policy_tc": _POLICY,
    "module_renumber": "options renumber_src and renumber_dst",
    "module_workarounds_disable_0x20": "option workarounds: queries for some names have to be in lower case",
}

#: The steps that are passed over in Deckard's scenarios, and why.
EXEMPT: Final[dict[str, dict[int, str]]] = {
    "iter_dname_insec": dict.fromkeys(
        (220902, 221002), "a loop of aliases is signaled as an error (RFC 1034, section 3.6.2), without the records of the loop"
    ),
    "iter_domain_sale": {60: "negative answers have no NS records (RFC 2308, section 2.1, type 2)"},
    "iter_domain_sale_nschange": dict.fromkeys((60, 63), "negative answers have no NS records (RFC 2308, section 2.1, type 2)"),
    "nsec3_aggr_cache": dict.fromkeys(
        (1032, 1034, 1036),
        "the target of an alias from a cached wildcard was in another answer only, and is asked for: to make positive answers from such"
        " records is optional (RFC 8198, section 5.3)",
    ),
    "val_dname_bogus": dict.fromkeys(
        (221202, 221214, 900101, 900302),
        "the reply has a wrong alias, as in step 221102, and is bogus (RFC 6672, section 5.3.1); the DNAME record of that bogus answer is"
        " not used for other questions",
    ),
    "val_nsec3_cnametocnamewctoposwc": {20: "positive answers have no NS records (RFC 1034, section 4.3.2)"},
}

#: Kinds of steps that are passed over, as in Deckard. C{iter_recurse} expects a query for an AAAA record although C{do-ip6} is off.
IGNORED: Final[dict[str, tuple[str, ...]]] = {"iter_recurse": ("CHECK_OUT_QUERY",)}

#: Options that a scenario sets, but that make no difference in it: all addresses of servers come from servers of an enclosing zone.
NEEDLESS: Final[dict[str, tuple[str, ...]]] = {
    "val_nsec3_optout_ns_ad": ("harden-glue",),
    "val_ta_sentinel": ("harden-glue",),
}

#: Scenarios without hints and forwarders, for the built-in hints.
BUILT_IN_HINTS: Final = ("world_cz_lidovky_www",)

#: All scenarios of C{domain} for a validator behind a forwarder, with the reason where one is not played.
VALIDATOR: Final[dict[str, str]] = dict.fromkeys(
    """
    black_dnskey black_ds black_ent fwd_val_cname_sibling iter_dnsseclame_ds_ok iter_dnsseclame_ta_ok iter_ds_locate_ns
    iter_ds_locate_ns_nosoa iter_multiple_A iter_validate iter_validate_child_zone_noaddr iter_validate_extradata
    iter_validate_nsec_nxdomain nsec3_wildcard_no_data_response nsec_name_error_response nsec_name_error_response-part2
    nsec_no_data_response nsec_ref_to_unsigned1 nsec_ref_to_unsigned2 nsec_ref_to_unsigned3 nsec_wildcard_answer_response
    nsec_wildcard_no_data_response nsec_wildcard_no_data_response-part2 val_ad_qtype_ds val_adbit val_adcopy val_ans_dsent
    val_ans_nx val_bogus_nodata val_cname_loop1 val_cname_loop1_3 val_cname_loop3 val_cname_new_signer
    val_cname_to_unsigned_fake_rrsig val_cnamenx_dblnsec val_cnameqtype val_deleg_nons val_ds_afterprime val_ds_cname
    val_ds_cnamesub val_duplicate val_faildnskey val_mal_wc val_minimal_anotherdomainsignature val_minimal_anotherrrtypesignature
    val_minimal_baddnskeyalgorithm val_minimal_baddnskeyflags val_minimal_baddnskeyprotocol val_minimal_baddsalgorithm
    val_minimal_baddsdigest val_minimal_baddsdigesttype val_minimal_baddskeytag val_minimal_badpublickey
    val_minimal_badrrsigalgorithm val_minimal_badrrsigexpiration val_minimal_badrrsiginception val_minimal_badrrsiglabels
    val_minimal_badrrsigsignature val_minimal_badrrsigtag val_minimal_badrrsigttl val_minimal_beforeinception
    val_minimal_expiredsignature val_minimal_noerror val_negcache_ds val_noadwhennodo val_nodata_hasdata val_nodata_zonecut
    val_nodatawc_badce val_nokeyprime val_nsec3_cnametocnamewctoposwc val_nsec3_noopt_ref val_nsec3_optout_ad val_nsec3_optout_ns_ad
    val_nx val_nx_nodeny val_nx_nowc val_pos_truncns val_qds_oneanc val_qds_twoanc val_referral_nods val_root_ds val_rrsig val_secds
    val_ta_sentinel_insecure val_ta_sentinel_nokey val_unalgo_ds val_unknown_algorithm_insecure val_unsecds val_unsecds_qtypeds
    val_wild_pos val_wild_pos_multi world_cz_lidovky_www world_cz_rhybar world_cz_turris_api world_cz_vutbr_www world_mx_nic_www
    """.split(),
    "",
)

#: The steps that are passed over in these, and why.
VALIDATOR_EXEMPT: Final[dict[str, dict[int, str]]] = {
    "val_nsec3_optout_ad": {
        10: "a name in an opt-out span may be an unsigned delegation, so that its denial is insecure and not bogus (RFC 5155, section 6)"
    },
}

#: The scenarios with a single fault, and the info codes of the extended error (RFC 8914, section 4) that name it: 6 DNSSEC bogus, 7
#: signature expired, 8 signature not yet valid, 9 DNSKEY missing, 10 RRSIGs missing.
FAULTS: Final[dict[str, frozenset[int]]] = {
    # The signature of x.root-servers.net. is that of k.root-servers.net.
    "val_minimal_anotherdomainsignature": frozenset((6,)),
    "val_minimal_anotherrrtypesignature": frozenset((6,)),
    # The zone-signing key was changed, so that the signature of the key set is wrong.
    "val_minimal_baddnskeyalgorithm": frozenset((6,)),
    "val_minimal_baddnskeyflags": frozenset((6,)),
    "val_minimal_baddnskeyprotocol": frozenset((6,)),
    "val_minimal_badpublickey": frozenset((6,)),
    # No key matches the trust anchor.
    "val_minimal_baddsalgorithm": frozenset((9,)),
    "val_minimal_baddsdigest": frozenset((9,)),
    "val_minimal_baddsdigesttype": frozenset((9,)),
    "val_minimal_baddskeytag": frozenset((9,)),
    # No key matches the signature.
    "val_minimal_badrrsigalgorithm": frozenset((6, 9)),
    "val_minimal_badrrsigtag": frozenset((6, 9)),
    # A field of the signature was changed.
    "val_minimal_badrrsigexpiration": frozenset((6,)),
    "val_minimal_badrrsiginception": frozenset((6,)),
    "val_minimal_badrrsiglabels": frozenset((6,)),
    "val_minimal_badrrsigsignature": frozenset((6,)),
    "val_minimal_badrrsigttl": frozenset((6,)),
    "val_minimal_beforeinception": frozenset((8,)),
    "val_minimal_expiredsignature": frozenset((7,)),
}
