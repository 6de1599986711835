-module(quicksort).
-export([main/2, sorter/4]).

main(Values, Threshold) ->
    spawn_link(?MODULE, sorter, [self(), all, lehmer:take(Values, lehmer:seed(Values)), Threshold]),
    receive {all, Sorted} -> lehmer:checksum(Sorted) end.

sorter(Parent, Side, Values, Threshold) ->
    case length(Values) =< Threshold of
        true -> Parent ! {Side, sort(Values)};
        false ->
            {Below, Equal, Above} = split(Values),
            spawn_link(?MODULE, sorter, [self(), below, Below, Threshold]),
            spawn_link(?MODULE, sorter, [self(), above, Above, Threshold]),
            First = receive {below, One} -> One end,
            Second = receive {above, Other} -> Other end,
            Parent ! {Side, First ++ Equal ++ Second}
    end.

split(Values) ->
    Pivot = lists:nth(length(Values) div 2 + 1, Values),
    {[V || V <- Values, V < Pivot], [V || V <- Values, V =:= Pivot], [V || V <- Values, V > Pivot]}.

sort([]) -> [];
sort([Value]) -> [Value];
sort(Values) ->
    {Below, Equal, Above} = split(Values),
    sort(Below) ++ Equal ++ sort(Above).
